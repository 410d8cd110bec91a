// Y[c][q][b] = share * sum over the window of X[c][q*stride + (ky,kx)][b],  share = 1 / (window area).
// One invocation owns COLS vec4s of samples of one output pixel. Sum: starts at 0, ky, kx ascending, plain additions.
#import grid
#import pool
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn avg_pool_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let own = spot_of(flat_index(group, groups, 64u, local), u.out_height, u.out_width);
    if own.channel >= u.channels { return; }
    let plane = group.z * u.channels + own.channel;
    let columns = u.columns;
    let corner = ((plane * u.in_height + own.y * u.stride) * u.in_width + own.x * u.stride) * columns;
    let line = u.in_width * columns;
    var sum: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) { at[c] = corner + min(own.column + c * own.step, columns - 1u); }
    for (var ky = 0u; ky < u.window_height; ky++) {
        for (var kx = 0u; kx < u.window_width; kx++) {
            for (var c = 0u; c < COLS; c++) { sum[c] = sum[c] + x[at[c] + ky * line + kx * columns]; }
        }
    }
    let to = ((plane * u.out_height + own.y) * u.out_width + own.x) * columns;
    for (var c = 0u; c < COLS; c++) {
        let column = own.column + c * own.step;
        if column < columns { y[to + column] = sum[c] * u.share; }
    }
}
