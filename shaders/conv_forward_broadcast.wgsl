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
    var s0 = vec4<f32>(subgroupBroadcast(bias_a, 0u));
    var s1 = vec4<f32>(subgroupBroadcast(bias_a, 1u));
    var s2 = vec4<f32>(subgroupBroadcast(bias_a, 2u));
    var s3 = vec4<f32>(subgroupBroadcast(bias_a, 3u));
    var s4 = vec4<f32>(subgroupBroadcast(bias_a, 4u));
    var s5 = vec4<f32>(subgroupBroadcast(bias_a, 5u));
    var s6 = vec4<f32>(subgroupBroadcast(bias_a, 6u));
    var s7 = vec4<f32>(subgroupBroadcast(bias_a, 7u));
    var s8 = vec4<f32>(subgroupBroadcast(bias_b, 0u));
    var s9 = vec4<f32>(subgroupBroadcast(bias_b, 1u));
    var s10 = vec4<f32>(subgroupBroadcast(bias_b, 2u));
    var s11 = vec4<f32>(subgroupBroadcast(bias_b, 3u));
    var s12 = vec4<f32>(subgroupBroadcast(bias_b, 4u));
    var s13 = vec4<f32>(subgroupBroadcast(bias_b, 5u));
    var s14 = vec4<f32>(subgroupBroadcast(bias_b, 6u));
    var s15 = vec4<f32>(subgroupBroadcast(bias_b, 7u));
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
                s0 = fma(vec4<f32>(subgroupBroadcast(wa, 0u)), xs, s0);
                s1 = fma(vec4<f32>(subgroupBroadcast(wa, 1u)), xs, s1);
                s2 = fma(vec4<f32>(subgroupBroadcast(wa, 2u)), xs, s2);
                s3 = fma(vec4<f32>(subgroupBroadcast(wa, 3u)), xs, s3);
                s4 = fma(vec4<f32>(subgroupBroadcast(wa, 4u)), xs, s4);
                s5 = fma(vec4<f32>(subgroupBroadcast(wa, 5u)), xs, s5);
                s6 = fma(vec4<f32>(subgroupBroadcast(wa, 6u)), xs, s6);
                s7 = fma(vec4<f32>(subgroupBroadcast(wa, 7u)), xs, s7);
                if ROWS == 16u {
                    s8 = fma(vec4<f32>(subgroupBroadcast(wb, 0u)), xs, s8);
                    s9 = fma(vec4<f32>(subgroupBroadcast(wb, 1u)), xs, s9);
                    s10 = fma(vec4<f32>(subgroupBroadcast(wb, 2u)), xs, s10);
                    s11 = fma(vec4<f32>(subgroupBroadcast(wb, 3u)), xs, s11);
                    s12 = fma(vec4<f32>(subgroupBroadcast(wb, 4u)), xs, s12);
                    s13 = fma(vec4<f32>(subgroupBroadcast(wb, 5u)), xs, s13);
                    s14 = fma(vec4<f32>(subgroupBroadcast(wb, 6u)), xs, s14);
                    s15 = fma(vec4<f32>(subgroupBroadcast(wb, 7u)), xs, s15);
                }
            }
        }
    }
    if column >= u.columns { return; }
    let to = ((group.z * u.out_channels + row) * pixels + pixel) * u.columns + column;
    let step = pixels * u.columns;
    if row + 0u < u.out_channels { y[to + 0u * step] = rectified(s0, u.relu); }
    if row + 1u < u.out_channels { y[to + 1u * step] = rectified(s1, u.relu); }
    if row + 2u < u.out_channels { y[to + 2u * step] = rectified(s2, u.relu); }
    if row + 3u < u.out_channels { y[to + 3u * step] = rectified(s3, u.relu); }
    if row + 4u < u.out_channels { y[to + 4u * step] = rectified(s4, u.relu); }
    if row + 5u < u.out_channels { y[to + 5u * step] = rectified(s5, u.relu); }
    if row + 6u < u.out_channels { y[to + 6u * step] = rectified(s6, u.relu); }
    if row + 7u < u.out_channels { y[to + 7u * step] = rectified(s7, u.relu); }
    if ROWS == 16u {
        if row + 8u < u.out_channels { y[to + 8u * step] = rectified(s8, u.relu); }
        if row + 9u < u.out_channels { y[to + 9u * step] = rectified(s9, u.relu); }
        if row + 10u < u.out_channels { y[to + 10u * step] = rectified(s10, u.relu); }
        if row + 11u < u.out_channels { y[to + 11u * step] = rectified(s11, u.relu); }
        if row + 12u < u.out_channels { y[to + 12u * step] = rectified(s12, u.relu); }
        if row + 13u < u.out_channels { y[to + 13u * step] = rectified(s13, u.relu); }
        if row + 14u < u.out_channels { y[to + 14u * step] = rectified(s14, u.relu); }
        if row + 15u < u.out_channels { y[to + 15u * step] = rectified(s15, u.relu); }
    }
}
