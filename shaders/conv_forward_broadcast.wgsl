// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q*stride + (ky,kx) - padding][b], zero outside the image.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's weights, four taps at a time, and every lane reads them from there. Taps outside the image are multiplied by 0, which
// changes no bit, so these are the sums of conv_forward in the same order.
// One invocation owns ROWS output channels x one vec4 of samples of one pixel; 8 neighbouring lanes own 8 vec4s of the same.
#import grid
#import conv
#import quads
#import relu
const ROWS: u32 = 16u; // or 8
const EDGES: u32 = 1u; // 0: no tap is outside the image, and taps come in fours
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn conv_forward_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per pixel: lanes past the last column repeat it and store nothing, and no loop diverges.
    let padded = (u.columns + 7u) / 8u * 8u;
    let pixels = u.out_height * u.out_width;
    let column = flat % padded;
    let pixel = (flat / padded) % pixels;
    let row = (flat / (padded * pixels)) * ROWS;
    if row >= u.out_channels { return; }
    // This lane's rows; the second where ROWS is 16.
    let row_a = min(row + lane, u.out_channels - 1u);
    let row_b = min(row + 8u + lane, u.out_channels - 1u);
    let base = group.z * u.param_stride;
    let taps = u.in_channels * u.kernel * u.kernel;
    let a = base + u.weight_offset + row_a * taps;
    let b = base + u.weight_offset + row_b * taps;
    let last = (base + u.param_stride) / 4u - 1u;
    var next_a = params[a / 4u];
    var next_b = params[b / 4u];
    let bias_a = bias_of(base, row_a);
    let bias_b = bias_of(base, row_b);
#repeat k 0 8
    var s{k} = vec4<f32>(subgroupBroadcast(bias_a, {k}u));
#end
#repeat k 8 16
    var s{k} = vec4<f32>(subgroupBroadcast(bias_b, {k-8}u));
#end
    // Stepped from tap to tap, since divisions and fields of u cost as much as loads. Unsigned wrap-around puts rows and columns
    // before the image past its end.
    let kernel = u.kernel;
    let height = u.in_height;
    let width = u.in_width;
    let channels = u.in_channels;
    let next_column = u.columns;
    let next_row = (width - kernel + 1u) * u.columns;
    let next_channel = ((height - kernel) * width) * u.columns;
    let top = (pixel / u.out_width) * u.stride - u.padding;
    let left = (pixel % u.out_width) * u.stride - u.padding;
    var place = ((group.z * channels * height + top) * width + left) * u.columns + min(column, u.columns - 1u);
    var channel = 0u;
    var ky = 0u;
    var kx = 0u;
    for (var tap = 0u; tap < taps; tap += 4u) {
#repeat t 0 4
        var x{t} = vec4<f32>();
        if EDGES == 0u {
            x{t} = x[place];
        } else {
            let inside = channel < channels && top + ky < height && left + kx < width;
            x{t} = select(vec4<f32>(), x[select(0u, place, inside)], inside);
        }
        kx += 1u;
        let row_ends{t} = kx == kernel;
        kx = select(kx, 0u, row_ends{t});
        ky += select(0u, 1u, row_ends{t});
        place += select(next_column, next_row, row_ends{t});
        let channel_ends{t} = ky == kernel;
        ky = select(ky, 0u, channel_ends{t});
        place += select(0u, next_channel, channel_ends{t});
        channel += select(0u, 1u, channel_ends{t});
#end
        let wa0 = next_a;
        let wb0 = next_b;
        next_a = params[min((a + tap) / 4u + 1u, last)];
        next_b = params[min((b + tap) / 4u + 1u, last)];
        let wa = shifted(wa0, next_a, a);
        let wb = shifted(wb0, next_b, b);
#repeat k 0 8
        s{k} = add_quad(s{k}, subgroupBroadcast(wa, {k}u), x0, x1, x2, x3);
#end
        if ROWS == 16u {
#repeat k 8 16
            s{k} = add_quad(s{k}, subgroupBroadcast(wb, {k-8}u), x0, x1, x2, x3);
#end
        }
    }
    if column >= u.columns { return; }
    let to = ((group.z * u.out_channels + row) * pixels + pixel) * u.columns + column;
    let step = pixels * u.columns;
#repeat k 0 8
    if row + {k}u < u.out_channels { y[to + {k}u * step] = rectified(s{k}, u.relu); }
#end
    if ROWS == 16u {
#repeat k 8 16
        if row + {k}u < u.out_channels { y[to + {k}u * step] = rectified(s{k}, u.relu); }
#end
    }
}
