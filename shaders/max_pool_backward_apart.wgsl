// dX[c][p][b] = sum of dY[c][q][b] over the windows q whose maximum was at p, as `place` says, where no two windows overlap:
// there is one term at most. Same bits as max_pool_backward. With DROPOUT, dY is scaled first as dropout_apply does it; what did
// not survive has no place.
// One invocation owns COLS vec4s of samples of one window's cell: the `stride` x `stride` pixels that start where the window
// does; cells of the last windows reach to the image's edge. It writes 0 + dY at the maximum and 0 elsewhere.
#import grid
#import pool
const COLS: u32 = 4u;
const DROPOUT: u32 = 0u; // 1: of the layer above
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> place: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn max_pool_backward_apart(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                           @builtin(local_invocation_index) local: u32) {
    let own = spot_of(flat_index(group, groups, 64u, local), u.out_height, u.out_width);
    if own.channel >= u.channels { return; }
    let plane = group.z * u.channels + own.channel;
    let columns = u.columns;
    let source = ((plane * u.out_height + own.y) * u.out_width + own.x) * columns;
    var g: array<vec4<f32>, COLS>;
    var at: array<vec4<u32>, COLS>;
    for (var c = 0u; c < COLS; c++) {
        let column = min(own.column + c * own.step, columns - 1u);
        g[c] = dy[source + column];
        if DROPOUT == 1u { g[c] = g[c] * u.scale; }
        // 0 + -0 is 0, but compilers take 0 + v for v; so a zero of either sign goes nowhere.
        at[c] = select(place[source + column], vec4<u32>(NOWHERE), g[c] == vec4<f32>());
    }
    let corner = ((plane * u.in_height + own.y * u.stride) * u.in_width + own.x * u.stride) * columns;
    let line = u.in_width * columns;
    let height = select(u.stride, u.in_height - own.y * u.stride, own.y + 1u == u.out_height);
    let width = select(u.stride, u.in_width - own.x * u.stride, own.x + 1u == u.out_width);
    for (var ky = 0u; ky < height; ky++) {
        for (var kx = 0u; kx < width; kx++) {
            // Beyond the window, a code that no place has.
            let code = select(NOWHERE - 1u, ky * u.window_width + kx, ky < u.window_height && kx < u.window_width);
            for (var c = 0u; c < COLS; c++) {
                let column = own.column + c * own.step;
                if column < columns {
                    dx[corner + ky * line + kx * columns + column] = select(vec4<f32>(), g[c], at[c] == vec4<u32>(code));
                }
            }
        }
    }
}
