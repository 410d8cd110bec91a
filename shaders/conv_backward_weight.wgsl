// part[r][qy][o][t] = sum_{qx,b} dY[r][o][qy,qx][b] X[r][c][(qy,qx)*stride + (ky,kx) - padding][b],   t = (c, ky, kx).
// One output row qy is one part; `partial_sum` adds the parts in order of qy. (An image of one row is summed by it too.)
// One invocation owns ROWS output channels x COLS taps of one part; lanes run along taps.
// Sum: starts at 0 (ACCUMULATE: at what stands there), chunks of samples ascending, then qx, then b in the chunk, one fma each; taps
// outside the image are left out.
// The first workgroups own the biases, see shared/conv_bias.wgsl.
#import grid
#import conv
#import conv_bias
#import chunk
#import loads
const ROWS: u32 = 4u;
const COLS: u32 = 4u;
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read_write> part: array<f32>;

@compute @workgroup_size(64)
fn conv_backward_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_part(number * 64u + local, group.z);
        return;
    }
    let flat = (number - biases) * 64u + local;
    let area = u.kernel * u.kernel;
    let taps = u.in_channels * area;
    let tap_tiles = (taps + COLS - 1u) / COLS;
    let row_tiles = (u.out_channels + ROWS - 1u) / ROWS;
    let tap = (flat % tap_tiles) * COLS;
    let row = ((flat / tap_tiles) % row_tiles) * ROWS;
    let qy = flat / (tap_tiles * row_tiles);
    if qy >= u.out_height { return; }
    var yat: array<u32, ROWS>;
    for (var k = 0u; k < ROWS; k++) {
        let o = min(row + k, u.out_channels - 1u);
        yat[k] = ((group.z * u.out_channels + o) * u.out_height + qy) * u.out_width * u.columns;
    }
    // For each tap: where its image line starts, its horizontal shift, and whether the line is inside the image.
    var xline: array<u32, COLS>;
    var shift: array<u32, COLS>;
    var inside: array<bool, COLS>;
    for (var c = 0u; c < COLS; c++) {
        let t = min(tap + c, taps - 1u);
        let iy = qy * u.stride + (t / u.kernel) % u.kernel;
        inside[c] = iy >= u.padding && iy - u.padding < u.in_height;
        xline[c] = ((group.z * u.in_channels + t / area) * u.in_height + (iy - u.padding)) * u.in_width;
        shift[c] = t % u.kernel;
    }
    var sum: array<f32, ROWS * COLS>;
    let to = group.z * part_stride() + (qy * u.out_channels + row) * taps + tap;
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            sum[k * COLS + c] = 0.0;
            if ACCUMULATE == 1u && row + k < u.out_channels && tap + c < taps { sum[k * COLS + c] = part[to + k * taps + c]; }
        }
    }
    for (var chunk = 0u; chunk < u.columns; chunk += CHUNK) {
        let end = min(chunk + CHUNK, u.columns);
        for (var qx = 0u; qx < u.out_width; qx++) {
            var xat: array<u32, COLS>;
            var used: array<bool, COLS>;
            for (var c = 0u; c < COLS; c++) {
                let ix = qx * u.stride + shift[c];
                used[c] = inside[c] && ix >= u.padding && ix - u.padding < u.in_width;
                xat[c] = (xline[c] + (ix - u.padding)) * u.columns;
            }
            for (var b = chunk; b < end; b++) { // at most CHUNK
                var ys: array<vec4<f32>, ROWS>;
                for (var k = 0u; k < ROWS; k++) { ys[k] = loaded(dy[yat[k] + qx * u.columns + b]); }
                for (var c = 0u; c < COLS; c++) {
                    // fma(dy, 0, s) = s: a tap outside the image adds nothing.
                    var xs = vec4<f32>();
                    if used[c] { xs = loaded(x[xat[c] + b]); }
                    for (var k = 0u; k < ROWS; k++) {
                        var s = sum[k * COLS + c];
                        s = fma(ys[k].x, xs.x, s);
                        s = fma(ys[k].y, xs.y, s);
                        s = fma(ys[k].z, xs.z, s);
                        s = fma(ys[k].w, xs.w, s);
                        sum[k * COLS + c] = s;
                    }
                }
            }
        }
    }
    for (var k = 0u; k < ROWS; k++) {
        for (var c = 0u; c < COLS; c++) {
            if row + k < u.out_channels && tap + c < taps { part[to + k * taps + c] = sum[k * COLS + c]; }
        }
    }
}
