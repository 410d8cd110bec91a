// dX[r][c][p][b] = sum_{o,ky,kx} W[r][o][c][ky][kx] dY[r][o][p + padding - (ky,kx)][b] for kernels of 3 x 3 and stride 1, dY being zero
// outside the outputs. Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's nine weights of an output channel as three vec4s, and every lane reads them from there. Rows of taps
// without outputs are left out, and in a row the taps without one are multiplied by 0, which changes no bit, so these are the sums of
// conv_backward_data in the same order.
// One invocation owns ROWS input channels x one vec4 of samples of one pixel; 8 neighbouring lanes own 8 vec4s of the same.
#import grid
#import conv
#import quads
#import relu
#import gate
const ROWS: u32 = 16u; // or 8
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

// The weights of a kernel, row by row.
struct Kernel { top: vec3<f32>, middle: vec3<f32>, bottom: vec3<f32> }

// The nine floats from `at` on; the last vec4 that may be read is `last`.
fn kernel_at(at: u32, last: u32) -> Kernel {
    let w0 = params[at / 4u];
    let w1 = params[min(at / 4u + 1u, last)];
    let w2 = params[min(at / 4u + 2u, last)];
    let s0 = shifted(w0, w1, at);
    let s1 = shifted(w1, w2, at);
    let s2 = shifted(w2, w2, at);
    return Kernel(s0.xyz, vec3<f32>(s0.w, s1.xy), vec3<f32>(s1.zw, s2.x));
}

// s + w.x y0, then w.y y1, w.z y2.
fn add_row(s: vec4<f32>, w: vec3<f32>, y0: vec4<f32>, y1: vec4<f32>, y2: vec4<f32>) -> vec4<f32> {
    return fma(vec4<f32>(w.z), y2, fma(vec4<f32>(w.y), y1, fma(vec4<f32>(w.x), y0, s)));
}

fn output_at(place: u32, inside: bool) -> vec4<f32> {
    return select(vec4<f32>(), dy[select(0u, place, inside)], inside);
}

@compute @workgroup_size(64)
fn conv_backward_data_broadcast_3x3(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let flat = flat_index(group, groups, 64u, local);
    // Whole subgroups per pixel: lanes past the last column repeat it and store nothing, and no loop diverges.
    let padded = (u.columns + 7u) / 8u * 8u;
    let pixels = u.in_height * u.in_width;
    let column = flat % padded;
    let pixel = (flat / padded) % pixels;
    let row = (flat / (padded * pixels)) * ROWS;
    if row >= u.in_channels { return; }
    // This lane's rows; the second where ROWS is 16.
    let first = group.z * u.param_stride + u.weight_offset;
    let last = (group.z * u.param_stride + u.param_stride) / 4u - 1u;
    var a = first + min(row + lane, u.in_channels - 1u) * 9u;
    var b = first + min(row + 8u + lane, u.in_channels - 1u) * 9u;
#repeat k 0 16
    var s{k} = vec4<f32>();
#end
    // The output of the first tap; each next tap belongs to the output before. Unsigned wrap-around puts rows and columns before the
    // outputs past their end.
    let height = u.out_height;
    let width = u.out_width;
    let columns = u.columns;
    let qy = pixel / u.in_width + u.padding;
    let qx = pixel % u.in_width + u.padding;
    let x0 = qx < width;
    let x1 = qx - 1u < width;
    let x2 = qx - 2u < width;
    let up = width * columns;
    let channels = u.out_channels;
    let weights = u.in_channels * 9u;
    var place = ((group.z * channels * height + qy) * width + qx) * columns + min(column, columns - 1u);
    // Rows of taps that have outputs.
    let ky0 = select(0u, qy + 1u - height, qy >= height);
    let ky1 = min(3u, qy + 1u);
    for (var o = 0u; o < channels; o++) {
        let wa = kernel_at(a, last);
        let wb = kernel_at(b, last);
        var line = place - ky0 * up;
        for (var ky = ky0; ky < ky1; ky++) {
            let ra = select(select(wa.bottom, wa.middle, ky == 1u), wa.top, ky == 0u);
            let rb = select(select(wb.bottom, wb.middle, ky == 1u), wb.top, ky == 0u);
            let d0 = output_at(line, x0);
            let d1 = output_at(line - columns, x1);
            let d2 = output_at(line - 2u * columns, x2);
#repeat k 0 8
            s{k} = add_row(s{k}, subgroupBroadcast(ra, {k}u), d0, d1, d2);
#end
            if ROWS == 16u {
#repeat k 8 16
                s{k} = add_row(s{k}, subgroupBroadcast(rb, {k-8}u), d0, d1, d2);
#end
            }
            line -= up;
        }
        place += height * up;
        a += weights;
        b += weights;
    }
    if column >= columns { return; }
    let to = ((group.z * u.in_channels + row) * pixels + pixel) * columns + column;
    let step = pixels * columns;
#repeat k 0 8
    if row + {k}u < u.in_channels { put(to + {k}u * step, s{k}); }
#end
    if ROWS == 16u {
#repeat k 8 16
        if row + {k}u < u.in_channels { put(to + {k}u * step, s{k}); }
#end
    }
}
