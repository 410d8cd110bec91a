// dX = scale ((dY - a) - (X - mean) b), 0 in empty slots;  kept[r][c][1] = (mean, scale, a, b): a is the mean of dY, and b that of
// dY (X - mean), divided by the variance.   One invocation owns COLS vec4s of samples of one pixel. No sum.
#import batch_norm
#import grid
#import state
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [R][channels][parts * pixels][columns]
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> kept: array<vec4<f32>>; // [R][channels][2]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn batch_norm_backward_data(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                            @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let step = (u.columns + COLS - 1u) / COLS;
    let pixel = flat / step;
    let c = pixel / (u.parts * u.pixels);
    if c >= u.channels { return; }
    let count = state[group.z].count;
    let k = kept[2u * (group.z * u.channels + c) + 1u];
    let start = (group.z * u.channels * u.parts * u.pixels + pixel) * u.columns;
    for (var i = 0u; i < COLS; i++) {
        let column = flat - pixel * step + i * step;
        if column < u.columns {
            let at = start + column;
            let g = fma(k.x - x[at], vec4<f32>(k.w), dy[at] - k.z) * k.y;
            dx[at] = present(g, column, count);
        }
    }
}
