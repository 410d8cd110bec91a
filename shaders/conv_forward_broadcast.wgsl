// Y[r][o][q][b] = bias[o] + sum_{c,ky,kx} W[r][o][c][ky][kx] X[r][c][q*stride + (ky,kx) - padding][b], zero outside the image.
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row's weight and every lane reads it from there. Same sums in the same order as conv_forward, so the same bits.
// One invocation owns ROWS output channels x one vec4 of samples of one pixel; 8 neighbouring lanes own 8 vec4s of the same.
#import grid
#import conv
#import relu
const ROWS: u32 = 16u; // or 8
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> params: array<f32>;
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
    let at = min(column, u.columns - 1u);
    // This lane's rows; the second where ROWS is 16.
    let row_a = min(row + lane, u.out_channels - 1u);
    let row_b = min(row + 8u + lane, u.out_channels - 1u);
    let base = group.z * u.param_stride;
    let taps = u.in_channels * u.kernel * u.kernel;
    let a = base + u.weight_offset + row_a * taps;
    let b = base + u.weight_offset + row_b * taps;
    var bias_a = 0.0;
    var bias_b = 0.0;
    if u.bias_offset != 0xffffffffu {
        bias_a = params[base + u.bias_offset + row_a];
        bias_b = params[base + u.bias_offset + row_b];
    }
#repeat k 0 8
    var s{k} = vec4<f32>(subgroupBroadcast(bias_a, {k}u));
#end
#repeat k 8 16
    var s{k} = vec4<f32>(subgroupBroadcast(bias_b, {k-8}u));
#end
    // Window corner in padded coordinates, and the taps that fall inside the image.
    let top = (pixel / u.out_width) * u.stride;
    let left = (pixel % u.out_width) * u.stride;
    let ky0 = u.padding - min(u.padding, top);
    let kx0 = u.padding - min(u.padding, left);
    let ky1 = min(u.kernel, u.in_height + u.padding - top);
    let kx1 = min(u.kernel, u.in_width + u.padding - left);
    for (var channel = 0u; channel < u.in_channels; channel++) {
        for (var ky = ky0; ky < ky1; ky++) {
            let line = ((group.z * u.in_channels + channel) * u.in_height + (top + ky - u.padding)) * u.in_width;
            for (var kx = kx0; kx < kx1; kx++) {
                let tap = (channel * u.kernel + ky) * u.kernel + kx;
                let place = (line + (left + kx - u.padding)) * u.columns;
                let xs = x[place + at];
                let wa = params[a + tap];
                let wb = params[b + tap];
#repeat k 0 8
                s{k} = fma(vec4<f32>(subgroupBroadcast(wa, {k}u)), xs, s{k});
#end
                if ROWS == 16u {
#repeat k 8 16
                    s{k} = fma(vec4<f32>(subgroupBroadcast(wb, {k-8}u)), xs, s{k});
#end
                }
            }
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
