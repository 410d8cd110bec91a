// Y[c][q][b] = max over the window of X[c][q*stride + (ky,kx)][b];  place[c][q][b] = ky * window + kx of the first maximum.
// The place is decided here once and stored, so backward cannot disagree.   One invocation owns one output vec4.
#import grid
#import pool
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> place: array<vec4<u32>>;

@compute @workgroup_size(64)
fn max_pool_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let outputs = u.channels * u.out_height * u.out_width;
    if flat >= outputs * u.columns { return; }
    let column = flat % u.columns;
    let output = flat / u.columns;
    let top = ((output / u.out_width) % u.out_height) * u.stride;
    let left = (output % u.out_width) * u.stride;
    let channel = group.z * u.channels + output / (u.out_height * u.out_width);
    var best = vec4<f32>();
    var best_at = vec4<u32>();
    for (var ky = 0u; ky < u.window_height; ky++) {
        for (var kx = 0u; kx < u.window_width; kx++) {
            let v = x[((channel * u.in_height + top + ky) * u.in_width + left + kx) * u.columns + column];
            let code = ky * u.window_width + kx;
            let better = (v > best) | vec4<bool>(code == 0u);
            best = select(best, v, better);
            best_at = select(best_at, vec4<u32>(code), better);
        }
    }
    y[group.z * outputs * u.columns + flat] = best;
    place[group.z * outputs * u.columns + flat] = best_at;
}
