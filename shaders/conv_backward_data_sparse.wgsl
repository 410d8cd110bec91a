// dX[r][c][p][b] = sum_{o,ky,kx : p + padding - (ky,kx) = q * stride} W[r][o][c][ky][kx] dY[r][o][q][b] over the kept weights.
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// One invocation owns one input channel x COLS vec4s of samples of one input pixel p; see shared/spread.wgsl.
// Sum: starts at 0, then o, ky, kx ascending, one fma each. conv_backward_data adds 0 * dY in between, which changes no bit.
#import grid
#import conv
#import relu
#import gate
#import loads
#import spread
const COLS: u32 = 4u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;  // [R][in_channels + 1]
@group(0) @binding(5) var<storage, read> entries: array<u32>; // [R][kept_stride], see shared/columns.wgsl
@group(0) @binding(6) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(32)
fn conv_backward_data_sparse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                             @builtin(local_invocation_index) local: u32) {
    let at_tile = spread(flat_index(group, groups, 1u, 0u), local);
    let apart = at_tile.apart;
    let pixels = u.in_height * u.in_width;
    let column = at_tile.column;
    let pixel = at_tile.tile % pixels;
    let row = at_tile.tile / pixels;
    if row >= u.in_channels { return; }
    let area = u.kernel * u.kernel;
    let base = group.z * u.param_stride + u.weight_offset + row * area;
    let begin = starts[group.z * (u.in_channels + 1u) + row];
    let end = starts[group.z * (u.in_channels + 1u) + row + 1u];
    var sum: array<vec4<f32>, COLS>;
    var at: array<u32, COLS>;
    for (var c = 0u; c < COLS; c++) {
        sum[c] = vec4<f32>();
        at[c] = min(column + c * apart, u.columns - 1u);
    }
    // p in padded coordinates. A tap beyond it wraps round to a place past the last output.
    let py = pixel / u.in_width + u.padding;
    let px = pixel % u.in_width + u.padding;
    // Out of the loop, since fields of u are loads too.
    let list = group.z * u.kept_stride;
    let planes = group.z * u.out_channels;
    let weights = u.in_channels * area;
    let kernel = u.kernel;
    let stride = u.stride;
    let height = u.out_height;
    let width = u.out_width;
    let columns = u.columns;
    for (var k = begin; k < end; k++) { // at most u.out_channels * u.kernel * u.kernel
        let entry = entries[list + k];
        let o = entry >> 10u;
        let ky = (entry >> 5u) & 31u;
        let kx = entry & 31u;
        var qy = py - ky;
        var qx = px - kx;
        var hit = ky <= py && kx <= px;
        if stride > 1u {
            hit = hit && qy % stride == 0u && qx % stride == 0u;
            qy = qy / stride;
            qx = qx / stride;
        }
        if hit && qy < height && qx < width {
            let weight = vec4<f32>(params[base + o * weights + ky * kernel + kx]);
            let line = (((planes + o) * height + qy) * width + qx) * columns;
            for (var c = 0u; c < COLS; c++) { sum[c] = fma(weight, loaded(dy[line + at[c]]), sum[c]); }
        }
    }
    for (var c = 0u; c < COLS; c++) {
        let own = column + c * apart;
        if own < u.columns { put(((group.z * u.in_channels + row) * pixels + pixel) * u.columns + own, sum[c]); }
    }
}
