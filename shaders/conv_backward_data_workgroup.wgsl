// dX[r][c][p][b] = sum_{o,ky,kx : p + padding - (ky,kx) = q * stride} W[r][o][c][ky][kx] dY[r][o][q][b].
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// Variant for hardware GPUs: a workgroup loads each weight and gradient once for all its 256 invocations.
// Same sums in the same order as conv_backward_data, so the same bits.
// One workgroup owns 16 ROWS input channels x 16 COLS vec4s of samples of one input pixel p; see shared/tiles.wgsl.
#import grid
#import conv
#import relu
#import gate
#import tiles
const ROWS: u32 = 8u;
const COLS: u32 = 2u;
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

// How many taps k0, k0 + stride, ... are below k1.
fn steps(k0: u32, k1: u32) -> u32 {
    if k0 >= k1 { return 0u; }
    return (k1 - k0 + u.stride - 1u) / u.stride;
}

@compute @workgroup_size(256)
fn conv_backward_data_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                @builtin(local_invocation_index) local: u32) {
    let tile = flat_index(group, groups, 1u, 0u);
    let column_tiles = (u.columns + RIGHT - 1u) / RIGHT;
    let pixels = u.in_height * u.in_width;
    let first_column = (tile % column_tiles) * RIGHT;
    let pixel = (tile / column_tiles) % pixels;
    let first_row = (tile / (column_tiles * pixels)) * 16u * ROWS;
    let weights = group.z * u.param_stride + u.weight_offset;
    let area = u.kernel * u.kernel;
    var sum: array<vec4<f32>, ROWS * COLS>;
    // p in padded coordinates, and the taps that reach an output: those alone are terms.
    let py = pixel / u.in_width + u.padding;
    let px = pixel % u.in_width + u.padding;
    let ky0 = first_tap(py, u.out_height, u.stride);
    let kx0 = first_tap(px, u.out_width, u.stride);
    let high = steps(ky0, min(u.kernel, py + 1u));
    let wide = steps(kx0, min(u.kernel, px + 1u));
    let terms = u.out_channels * high * wide;
    // Rows and columns past the edge read the last one and are not stored.
    for (var t = 0u; t < terms; t += DEPTH) {
        let depth = min(DEPTH, terms - t);
        for (var e = local; e < 4u * ROWS * DEPTH; e += 256u) {
            let k = e / (4u * ROWS);
            let quad = e % (4u * ROWS);
            let c = min(vec4<u32>(first_row + quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(u.in_channels - 1u));
            let term = min(t + k, terms - 1u);
            let ky = ky0 + (term / wide) % high * u.stride;
            let kx = kx0 + term % wide * u.stride;
            let w = weights + (term / (high * wide) * u.in_channels + c) * area + ky * u.kernel + kx;
            left[k * LEFT + quad] = vec4<f32>(params[w.x], params[w.y], params[w.z], params[w.w]);
        }
        for (var e = local; e < RIGHT * DEPTH; e += 256u) {
            let term = min(t + e / RIGHT, terms - 1u);
            let qy = (py - ky0) / u.stride - (term / wide) % high;
            let qx = (px - kx0) / u.stride - term % wide;
            let place = ((group.z * u.out_channels + term / (high * wide)) * u.out_height + qy) * u.out_width + qx;
            right[e] = dy[place * u.columns + min(first_column + e % RIGHT, u.columns - 1u)];
        }
        workgroupBarrier();
        multiply(&sum, local / 16u, local % 16u, depth);
        workgroupBarrier();
    }
    let row = first_row + (local / 16u) * ROWS;
    let column = first_column + local % 16u;
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.in_channels && column + 16u * c < u.columns {
                put(((group.z * u.in_channels + row + k) * pixels + pixel) * u.columns + column + 16u * c, sum[k * COLS + c]);
            }
        }
    }
}
