// Y[c][q][b] = X[c][q*stride + (ky,kx)][b] where ky * window + kx is the place of an earlier max_pool_forward; 0 where that is nowhere.
// One invocation owns COLS vec4s of samples of one output pixel. No sum.
#import grid
#import pool
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> place: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn max_pool_held(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let own = spot_of(flat_index(group, groups, 64u, local), u.out_height, u.out_width);
    if own.channel >= u.channels { return; }
    let plane = group.z * u.channels + own.channel;
    let columns = u.columns;
    let corner = ((plane * u.in_height + own.y * u.stride) * u.in_width + own.x * u.stride) * columns;
    let to = ((plane * u.out_height + own.y) * u.out_width + own.x) * columns;
    let line = u.in_width * columns;
    var value: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    var chosen: array<vec4<u32>, COLS>;
    for (var c = 0u; c < COLS; c++) {
        at[c] = min(own.column + c * own.step, columns - 1u);
        chosen[c] = place[to + at[c]];
    }
    var code = 0u;
    for (var ky = 0u; ky < u.window_height; ky++) {
        for (var kx = 0u; kx < u.window_width; kx++) {
            for (var c = 0u; c < COLS; c++) {
                value[c] = select(value[c], x[corner + at[c] + ky * line + kx * columns], chosen[c] == vec4<u32>(code));
            }
            code++;
        }
    }
    for (var c = 0u; c < COLS; c++) {
        let column = own.column + c * own.step;
        if column < columns { y[to + column] = value[c]; }
    }
}
