// Y = (X - mean) scale + bias, then max(Y, 0) where u.relu;  kept[r][c][0] = (mean, 1 / deviation, scale, bias).
// One invocation owns COLS vec4s of samples of one pixel. No sum.
#import batch_norm
#import grid
#import relu
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> kept: array<vec4<f32>>; // [R][channels][2]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [R][channels][parts * pixels][columns]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn batch_norm_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let step = (u.columns + COLS - 1u) / COLS;
    let pixel = flat / step;
    let c = pixel / (u.parts * u.pixels);
    if c >= u.channels { return; }
    let k = kept[2u * (group.z * u.channels + c)];
    let start = (group.z * u.channels * u.parts * u.pixels + pixel) * u.columns;
    for (var i = 0u; i < COLS; i++) {
        let column = flat - pixel * step + i * step;
        if column < u.columns {
            y[start + column] = rectified(fma(x[start + column] - k.x, vec4<f32>(k.z), vec4<f32>(k.w)), u.relu);
        }
    }
}
