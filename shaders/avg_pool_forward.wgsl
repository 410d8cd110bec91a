// Y[c][q][b] = share * sum over the window of X[c][q*stride + (ky,kx)][b],  share = 1 / (window area).
// One invocation owns one output vec4. Sum: starts at 0, ky, kx ascending, plain additions.
#import grid
#import pool
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn avg_pool_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let outputs = u.channels * u.out_height * u.out_width;
    if flat >= outputs * u.columns { return; }
    let column = flat % u.columns;
    let output = flat / u.columns;
    let top = ((output / u.out_width) % u.out_height) * u.stride;
    let left = (output % u.out_width) * u.stride;
    let channel = group.z * u.channels + output / (u.out_height * u.out_width);
    var sum = vec4<f32>();
    for (var ky = 0u; ky < u.window_height; ky++) {
        for (var kx = 0u; kx < u.window_width; kx++) {
            sum = sum + x[((channel * u.in_height + top + ky) * u.in_width + left + kx) * u.columns + column];
        }
    }
    y[group.z * outputs * u.columns + flat] = sum * u.share;
}
