// dX[c][p][b] = sum of dY[c][q][b] over the windows q whose maximum was at p, as `place` says.
// One invocation owns COLS vec4s of samples of one input pixel. Sum: starts at 0, qy, qx ascending, plain additions.
#import grid
#import pool
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> place: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn max_pool_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let own = spot_of(flat_index(group, groups, 64u, local), u.in_height, u.in_width);
    if own.channel >= u.channels { return; }
    let plane = group.z * u.channels + own.channel;
    let columns = u.columns;
    let qy1 = min(u.out_height, own.y / u.stride + 1u);
    let qx1 = min(u.out_width, own.x / u.stride + 1u);
    var sum: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) { at[c] = min(own.column + c * own.step, columns - 1u); }
    for (var qy = first_window(own.y, u.window_height, u.stride); qy < qy1; qy++) {
        for (var qx = first_window(own.x, u.window_width, u.stride); qx < qx1; qx++) {
            let code = (own.y - qy * u.stride) * u.window_width + (own.x - qx * u.stride);
            let source = ((plane * u.out_height + qy) * u.out_width + qx) * columns;
            for (var c = 0u; c < COLS; c++) {
                sum[c] = sum[c] + select(vec4<f32>(), dy[source + at[c]], place[source + at[c]] == vec4<u32>(code));
            }
        }
    }
    let to = ((plane * u.in_height + own.y) * u.in_width + own.x) * columns;
    for (var c = 0u; c < COLS; c++) {
        let column = own.column + c * own.step;
        if column < columns { dx[to + column] = sum[c]; }
    }
}
