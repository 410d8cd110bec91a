// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q*stride + (ky,kx) - padding][b], zero outside the image;
// then ReLU where u.relu.
// Variant for hardware GPUs: a workgroup loads each weight and activation once for all its 256 invocations.
// Same sums in the same order as conv_forward, so the same bits.
// One workgroup owns 16 ROWS output channels x 16 COLS vec4s of samples of one output pixel q; see shared/tiles.wgsl.
#import grid
#import conv
#import relu
#import tiles
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn conv_forward_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                          @builtin(local_invocation_index) local: u32) {
    let tile = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + RIGHT - 1u) / RIGHT;
    let pixels = u.out_height * u.out_width;
    let first_column = (tile % column_tiles) * RIGHT;
    let pixel = (tile / column_tiles) % pixels;
    let first_row = (tile / (column_tiles * pixels)) * 16u * ROWS;
    let base = group.z * u.param_stride;
    let taps = u.in_channels * u.kernel * u.kernel;
    let row = first_row + (local / 16u) * ROWS;
    let column = first_column + local % 16u;
    // Rows and columns past the edge read the last one and are not stored.
    var sum: array<vec4<f32>, ROWS * COLS>;
    for (var k = 0u; k < ROWS; k++) {
        var bias = 0.0;
        if u.bias_offset != 0xffffffffu { bias = params[base + u.bias_offset + min(row + k, u.out_channels - 1u)]; }
        for (var c = 0u; c < COLS; c++) { sum[k * COLS + c] = vec4<f32>(bias); }
    }
    // Window corner in padded coordinates, and the taps that fall inside the image: those alone are terms.
    let top = (pixel / u.out_width) * u.stride;
    let edge = (pixel % u.out_width) * u.stride;
    let ky0 = u.padding - min(u.padding, top);
    let kx0 = u.padding - min(u.padding, edge);
    let high = min(u.kernel, u.in_height + u.padding - top) - ky0;
    let wide = min(u.kernel, u.in_width + u.padding - edge) - kx0;
    let terms = u.in_channels * high * wide;
    for (var t = 0u; t < terms; t += DEPTH) {
        let depth = min(DEPTH, terms - t);
        for (var e = local; e < 4u * ROWS * DEPTH; e += 256u) {
            let o = min(vec4<u32>(first_row + e / DEPTH * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(u.out_channels - 1u));
            let term = min(t + e % DEPTH, terms - 1u);
            let ky = ky0 + (term / wide) % high;
            let tap = (term / (high * wide) * u.kernel + ky) * u.kernel + kx0 + term % wide;
            let w = base + u.weight_offset + o * taps + tap;
            left[(e % DEPTH) * LEFT + e / DEPTH] = vec4<f32>(params[w.x], params[w.y], params[w.z], params[w.w]);
        }
        for (var e = local; e < RIGHT * DEPTH; e += 256u) {
            let term = min(t + e / RIGHT, terms - 1u);
            let iy = top + ky0 + (term / wide) % high - u.padding;
            let ix = edge + kx0 + term % wide - u.padding;
            let place = ((group.z * u.in_channels + term / (high * wide)) * u.in_height + iy) * u.in_width + ix;
            right[e] = x[place * u.columns + min(first_column + e % RIGHT, u.columns - 1u)];
        }
        workgroupBarrier();
        multiply(&sum, local / 16u, local % 16u, depth);
        workgroupBarrier();
    }
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.out_channels && column + 16u * c < u.columns {
                let place = ((group.z * u.out_channels + row + k) * pixels + pixel) * u.columns;
                y[place + column + 16u * c] = rectified(sum[k * COLS + c], u.relu);
            }
        }
    }
}
