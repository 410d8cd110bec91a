// Y[c][q][b] = max over the window of X[c][q*stride + (ky,kx)][b];  place[c][q][b] = ky * window + kx of the first maximum.
// The place is decided here once and stored, so backward cannot disagree. Where u.gate and the maximum is not above 0, the
// place is nowhere: X came out of a ReLU, whose backward pass lets no gradient through there.
// One invocation owns COLS vec4s of samples of one output pixel.
#import grid
#import pool
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> place: array<vec4<u32>>;

@compute @workgroup_size(64)
fn max_pool_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let own = spot_of(flat_index(group, groups, 64u, local), u.out_height, u.out_width);
    if own.channel >= u.channels { return; }
    let plane = group.z * u.channels + own.channel;
    let columns = u.columns;
    let corner = ((plane * u.in_height + own.y * u.stride) * u.in_width + own.x * u.stride) * columns;
    let line = u.in_width * columns;
    var best: array<vec4<f32>, COLS>;
    var best_at: array<vec4<u32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) { at[c] = corner + min(own.column + c * own.step, columns - 1u); }
    var code = 0u;
    for (var ky = 0u; ky < u.window_height; ky++) {
        for (var kx = 0u; kx < u.window_width; kx++) {
            for (var c = 0u; c < COLS; c++) {
                let v = x[at[c] + ky * line + kx * columns];
                let better = (v > best[c]) | vec4<bool>(code == 0u);
                best[c] = select(best[c], v, better);
                best_at[c] = select(best_at[c], vec4<u32>(code), better);
            }
            code++;
        }
    }
    let to = ((plane * u.out_height + own.y) * u.out_width + own.x) * columns;
    let gate = vec4<bool>(u.gate != 0u);
    for (var c = 0u; c < COLS; c++) {
        let column = own.column + c * own.step;
        if column < columns {
            y[to + column] = best[c];
            place[to + column] = select(best_at[c], vec4<u32>(NOWHERE), gate & (best[c] <= vec4<f32>()));
        }
    }
}
