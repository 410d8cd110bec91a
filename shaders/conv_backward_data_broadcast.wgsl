// dX[r][c][p][b] = sum_{o,ky,kx : p + padding - (ky,kx) = q * stride} W[r][o][c][ky][kx] dY[r][o][q][b].
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's weight and every lane reads it from there. Same sums in the same order as conv_backward_data, so the same bits.
// One invocation owns ROWS input channels x one vec4 of samples of one pixel; 8 neighbouring lanes own 8 vec4s of the same.
#import grid
#import conv
#import relu
#import gate
const ROWS: u32 = 16u; // or 8
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn conv_backward_data_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per pixel: lanes past the last column repeat it and store nothing, and no loop diverges.
    let padded = (u.columns + 7u) / 8u * 8u;
    let pixels = u.in_height * u.in_width;
    let column = flat % padded;
    let pixel = (flat / padded) % pixels;
    let row = (flat / (padded * pixels)) * ROWS;
    if row >= u.in_channels { return; }
    let at = min(column, u.columns - 1u);
    // This lane's rows; the second where ROWS is 16.
    let row_a = min(row + lane, u.in_channels - 1u);
    let row_b = min(row + 8u + lane, u.in_channels - 1u);
    let area = u.kernel * u.kernel;
    let base = group.z * u.param_stride + u.weight_offset;
    let a = base + row_a * area;
    let b = base + row_b * area;
#repeat k 0 16
    var s{k} = vec4<f32>();
#end
    // p in padded coordinates; taps beyond it would reach before the first output.
    let py = pixel / u.in_width + u.padding;
    let px = pixel % u.in_width + u.padding;
    let ky0 = first_tap(py, u.out_height, u.stride);
    let kx0 = first_tap(px, u.out_width, u.stride);
    let ky1 = min(u.kernel, py + 1u);
    let kx1 = min(u.kernel, px + 1u);
    // The output of the first tap; each next tap belongs to the output before. Stepped, since divisions and fields of u cost as
    // much as loads.
    let qy0 = (py - ky0) / u.stride;
    let qx0 = (px - kx0) / u.stride;
    let channels = u.out_channels;
    let stride = u.stride;
    let columns = u.columns;
    for (var o = 0u; o < channels; o++) {
        var line = ((group.z * channels + o) * u.out_height + qy0) * u.out_width + qx0;
        for (var ky = ky0; ky < ky1; ky += stride) {
            var tap = o * u.in_channels * area + ky * u.kernel + kx0;
            var place = line * columns + at;
            for (var kx = kx0; kx < kx1; kx += stride) {
                let ys = dy[place];
                let wa = params[a + tap];
                let wb = params[b + tap];
#repeat k 0 8
                s{k} = fma(vec4<f32>(subgroupBroadcast(wa, {k}u)), ys, s{k});
#end
                if ROWS == 16u {
#repeat k 8 16
                    s{k} = fma(vec4<f32>(subgroupBroadcast(wb, {k-8}u)), ys, s{k});
#end
                }
                tap += stride;
                place -= columns;
            }
            line -= u.out_width;
        }
    }
    if column >= u.columns { return; }
    let to = ((group.z * u.in_channels + row) * pixels + pixel) * u.columns + column;
    let step = pixels * u.columns;
#repeat k 0 8
    if row + {k}u < u.in_channels { put(to + {k}u * step, s{k}); }
#end
    if ROWS == 16u {
#repeat k 8 16
        if row + {k}u < u.in_channels { put(to + {k}u * step, s{k}); }
#end
    }
}
