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
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    var s4 = vec4<f32>();
    var s5 = vec4<f32>();
    var s6 = vec4<f32>();
    var s7 = vec4<f32>();
    var s8 = vec4<f32>();
    var s9 = vec4<f32>();
    var s10 = vec4<f32>();
    var s11 = vec4<f32>();
    var s12 = vec4<f32>();
    var s13 = vec4<f32>();
    var s14 = vec4<f32>();
    var s15 = vec4<f32>();
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
                s0 = fma(vec4<f32>(subgroupBroadcast(wa, 0u)), ys, s0);
                s1 = fma(vec4<f32>(subgroupBroadcast(wa, 1u)), ys, s1);
                s2 = fma(vec4<f32>(subgroupBroadcast(wa, 2u)), ys, s2);
                s3 = fma(vec4<f32>(subgroupBroadcast(wa, 3u)), ys, s3);
                s4 = fma(vec4<f32>(subgroupBroadcast(wa, 4u)), ys, s4);
                s5 = fma(vec4<f32>(subgroupBroadcast(wa, 5u)), ys, s5);
                s6 = fma(vec4<f32>(subgroupBroadcast(wa, 6u)), ys, s6);
                s7 = fma(vec4<f32>(subgroupBroadcast(wa, 7u)), ys, s7);
                if ROWS == 16u {
                    s8 = fma(vec4<f32>(subgroupBroadcast(wb, 0u)), ys, s8);
                    s9 = fma(vec4<f32>(subgroupBroadcast(wb, 1u)), ys, s9);
                    s10 = fma(vec4<f32>(subgroupBroadcast(wb, 2u)), ys, s10);
                    s11 = fma(vec4<f32>(subgroupBroadcast(wb, 3u)), ys, s11);
                    s12 = fma(vec4<f32>(subgroupBroadcast(wb, 4u)), ys, s12);
                    s13 = fma(vec4<f32>(subgroupBroadcast(wb, 5u)), ys, s13);
                    s14 = fma(vec4<f32>(subgroupBroadcast(wb, 6u)), ys, s14);
                    s15 = fma(vec4<f32>(subgroupBroadcast(wb, 7u)), ys, s15);
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
    if row + 0u < u.in_channels { put(to + 0u * step, s0); }
    if row + 1u < u.in_channels { put(to + 1u * step, s1); }
    if row + 2u < u.in_channels { put(to + 2u * step, s2); }
    if row + 3u < u.in_channels { put(to + 3u * step, s3); }
    if row + 4u < u.in_channels { put(to + 4u * step, s4); }
    if row + 5u < u.in_channels { put(to + 5u * step, s5); }
    if row + 6u < u.in_channels { put(to + 6u * step, s6); }
    if row + 7u < u.in_channels { put(to + 7u * step, s7); }
    if ROWS == 16u {
        if row + 8u < u.in_channels { put(to + 8u * step, s8); }
        if row + 9u < u.in_channels { put(to + 9u * step, s9); }
        if row + 10u < u.in_channels { put(to + 10u * step, s10); }
        if row + 11u < u.in_channels { put(to + 11u * step, s11); }
        if row + 12u < u.in_channels { put(to + 12u * step, s12); }
        if row + 13u < u.in_channels { put(to + 13u * step, s13); }
        if row + 14u < u.in_channels { put(to + 14u * step, s14); }
        if row + 15u < u.in_channels { put(to + 15u * step, s15); }
    }
}
