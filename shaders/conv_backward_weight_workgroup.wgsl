// part[r][qy][o][t] = sum_{qx,b} dY[r][o][qy,qx][b] X[r][c][(qy,qx)*stride + (ky,kx) - padding][b],   t = (c, ky, kx).
// One output row qy is one part; `partial_sum` adds the parts in order of qy.
// Variant for hardware GPUs: a workgroup loads each vec4 of samples once for all its 256 invocations, neighbouring ones neighbouring vec4s.
// Same sums in the same order as conv_backward_weight, so the same bits.
// One workgroup owns 16 ROWS output channels x 16 COLS taps of one part; an invocation owns ROWS x COLS of them, 16 apart.
// The first workgroups own the biases, see shared/conv_bias.wgsl.
#import grid
#import conv
#import conv_bias
#import chunk
#import loads
const ROWS: u32 = 4u;
const COLS: u32 = 4u;
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
const DEPTH: u32 = 4u; // vec4s of samples loaded at a time, of one pixel; they divide CHUNK
const LEFT_LOADS: u32 = ROWS * DEPTH / 16u;  // vec4s of dY that an invocation loads at a time
const RIGHT_LOADS: u32 = COLS * DEPTH / 16u; // of X
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read_write> part: array<f32>;
var<workgroup> left: array<vec4<f32>, DEPTH * 16u * ROWS>;
var<workgroup> right: array<vec4<f32>, DEPTH * 16u * COLS>;

@compute @workgroup_size(256)
fn conv_backward_weight_workgroup(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                  @builtin(local_invocation_index) local: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(256u);
    if number < biases {
        bias_part(number * 256u + local, group.z);
        return;
    }
    let tile = number - biases;
    let area = u.kernel * u.kernel;
    let taps = u.in_channels * area;
    let tap_tiles = (taps + 16u * COLS - 1u) / (16u * COLS);
    let row_tiles = (u.out_channels + 16u * ROWS - 1u) / (16u * ROWS);
    let first_tap = (tile % tap_tiles) * 16u * COLS;
    let first_row = ((tile / tap_tiles) % row_tiles) * 16u * ROWS;
    let qy = tile / (tap_tiles * row_tiles);
    // The grid is rounded up to whole rows of workgroups.
    if qy >= u.out_height { return; }
    // What this invocation loads: vec4 `local % DEPTH` of a block, of one row in 256 / DEPTH, and of one tap likewise.
    let own = local % DEPTH;
    var yat: array<u32, LEFT_LOADS>;
    for (var l = 0u; l < LEFT_LOADS; l++) {
        let o = min(first_row + (local + 256u * l) / DEPTH, u.out_channels - 1u);
        yat[l] = ((group.z * u.out_channels + o) * u.out_height + qy) * u.out_width * u.columns;
    }
    // For each tap: where its image line starts, its horizontal shift, and whether the line is inside the image.
    var xline: array<u32, RIGHT_LOADS>;
    var shift: array<u32, RIGHT_LOADS>;
    var inside: array<bool, RIGHT_LOADS>;
    for (var l = 0u; l < RIGHT_LOADS; l++) {
        let t = min(first_tap + (local + 256u * l) / DEPTH, taps - 1u);
        let iy = qy * u.stride + (t / u.kernel) % u.kernel;
        inside[l] = iy >= u.padding && iy - u.padding < u.in_height;
        xline[l] = ((group.z * u.in_channels + t / area) * u.in_height + (iy - u.padding)) * u.in_width;
        shift[l] = t % u.kernel;
    }
    var sum: array<f32, ROWS * COLS>;
    let to = group.z * part_stride() + qy * u.out_channels * taps;
    for (var r = 0u; r < ROWS; r++) {
        for (var c = 0u; c < COLS; c++) {
            let o = min(first_row + local / 16u + 16u * r, u.out_channels - 1u);
            let t = min(first_tap + local % 16u + 16u * c, taps - 1u);
            sum[r * COLS + c] = 0.0;
            if ACCUMULATE == 1u { sum[r * COLS + c] = part[to + o * taps + t]; }
        }
    }
    // Rows and taps past the edge read the last one and are not stored.
    for (var chunk = 0u; chunk < u.columns; chunk += CHUNK) {
        for (var qx = 0u; qx < u.out_width; qx++) {
            for (var b = chunk; b < min(chunk + CHUNK, u.columns); b += DEPTH) { // at most CHUNK / DEPTH
                let column = min(b + own, u.columns - 1u);
                for (var l = 0u; l < LEFT_LOADS; l++) {
                    left[own * 16u * ROWS + (local + 256u * l) / DEPTH] = loaded(dy[yat[l] + qx * u.columns + column]);
                }
                for (var l = 0u; l < RIGHT_LOADS; l++) {
                    // fma(dy, 0, s) = s: a tap outside the image adds nothing.
                    let ix = qx * u.stride + shift[l];
                    var xs = vec4<f32>();
                    if inside[l] && ix >= u.padding && ix - u.padding < u.in_width {
                        xs = loaded(x[(xline[l] + (ix - u.padding)) * u.columns + column]);
                    }
                    right[own * 16u * COLS + (local + 256u * l) / DEPTH] = xs;
                }
                workgroupBarrier();
                let depth = min(DEPTH, u.columns - b);
                for (var k = 0u; k < depth; k++) {
                    var ys: array<vec4<f32>, ROWS>;
                    for (var r = 0u; r < ROWS; r++) { ys[r] = left[k * 16u * ROWS + local / 16u + 16u * r]; }
                    for (var c = 0u; c < COLS; c++) {
                        let xs = right[k * 16u * COLS + local % 16u + 16u * c];
                        for (var r = 0u; r < ROWS; r++) {
                            var s = sum[r * COLS + c];
                            s = fma(ys[r].x, xs.x, s);
                            s = fma(ys[r].y, xs.y, s);
                            s = fma(ys[r].z, xs.z, s);
                            s = fma(ys[r].w, xs.w, s);
                            sum[r * COLS + c] = s;
                        }
                    }
                }
                workgroupBarrier();
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        for (var c = 0u; c < COLS; c++) {
            let o = first_row + local / 16u + 16u * r;
            let t = first_tap + local % 16u + 16u * c;
            if o < u.out_channels && t < taps { part[to + o * taps + t] = sum[r * COLS + c]; }
        }
    }
}
