// Y[c][q][b] = max over the window of X[c][q*stride + (ky,kx)][b];  place[c][q][b] = ky * window + kx of the first maximum.
// The place is decided here once and stored, so backward cannot disagree. Where u.gate and the maximum is not above 0, the
// place is nowhere: X came out of a ReLU, whose backward pass lets no gradient through there.
// With DROPOUT, Y is then dropped as dropout_apply does it, and the place of what did not survive is nowhere too.
// One invocation owns COLS vec4s of samples of one output pixel.
#import grid
#import pool
#import dropout
const COLS: u32 = 4u;
const DROPOUT: u32 = 0u; // 1: of the layer above
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(3) var<storage, read> state: array<State>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> place: array<vec4<u32>>;

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
    let feature = (own.channel * u.out_height + own.y) * u.out_width + own.x;
    let to = ((plane * u.out_height + own.y) * u.out_width + own.x) * columns;
    let gate = vec4<bool>(u.gate != 0u);
    for (var c = 0u; c < COLS; c++) {
        let column = own.column + c * own.step;
        if column < columns {
            var value = best[c];
            var nowhere = gate & (value <= vec4<f32>());
            if DROPOUT == 1u {
                let alive = survives(group.z, feature, column);
                value = dropped(value, alive);
                nowhere = nowhere | !alive;
            }
            y[to + column] = value;
            place[to + column] = select(best_at[c], vec4<u32>(NOWHERE), nowhere);
        }
    }
}
