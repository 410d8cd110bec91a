// part[r][qy][o][t] = sum_{qx,b} dY[r][o][qy,qx][b] X[r][c][(qy,qx)*stride + (ky,kx) - padding][b],   t = (c, ky, kx).
// One output row qy is one part; `partial_sum` adds the parts in order of qy. (An image of one row is summed by it too.)
// Variant for adapters whose subgroups are 8 wide (lavapipe), where a load costs far more than a broadcast: each lane loads
// one row of dY and every lane reads it from there. Same sums in the same order as conv_backward_weight, so the same bits.
// One invocation owns ROWS output channels x 4 taps of one part; 8 neighbouring lanes own 8 x 4 taps of the same channels.
// The first workgroups own the biases, see shared/conv_bias.wgsl.
#import grid
#import conv
#import conv_bias
#import chunk
#import samples
#import loads
const ROWS: u32 = 16u; // or 8
const ACCUMULATE: u32 = 0u; // 1: a later micro-batch, which adds to the sums that stand there
@group(0) @binding(0) var<uniform> u: ConvShape;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> dy: array<Quad>;
@group(0) @binding(3) var<storage, read_write> part: array<f32>;

// Where a tap's image line starts, its horizontal shift, and whether the line is inside the image.
struct Tap {
    line: u32,
    shift: u32,
    inside: bool,
}

fn tap_at(replica: u32, qy: u32, tap: u32) -> Tap {
    let area = u.kernel * u.kernel;
    let t = min(tap, u.in_channels * area - 1u);
    let iy = qy * u.stride + (t / u.kernel) % u.kernel;
    return Tap(((replica * u.in_channels + t / area) * u.in_height + (iy - u.padding)) * u.in_width, t % u.kernel,
               iy >= u.padding && iy - u.padding < u.in_height);
}

fn used(tap: Tap, qx: u32) -> bool {
    let ix = qx * u.stride + tap.shift;
    return tap.inside && ix >= u.padding && ix - u.padding < u.in_width;
}

fn place(tap: Tap, qx: u32) -> u32 {
    return (tap.line + (qx * u.stride + tap.shift - u.padding)) * u.columns;
}

// Where the sums of a row's four taps stand.
fn sums_at(qy: u32, row: u32, tap: u32, replica: u32) -> u32 {
    return replica * part_stride() + (qy * u.out_channels + row) * (u.in_channels * u.kernel * u.kernel) + tap;
}

// What the sums start at. Rows and taps past the last read what is there; they are not stored.
fn start(qy: u32, row: u32, tap: u32, replica: u32) -> vec4<f32> {
    if ACCUMULATE == 0u { return vec4<f32>(); }
    let at = sums_at(qy, row, tap, replica);
    return vec4<f32>(part[at], part[at + 1u], part[at + 2u], part[at + 3u]);
}

fn store(qy: u32, row: u32, tap: u32, replica: u32, s: vec4<f32>) {
    let taps = u.in_channels * u.kernel * u.kernel;
    if row >= u.out_channels { return; }
    let to = sums_at(qy, row, tap, replica);
    if tap < taps { part[to] = s.x; }
    if tap + 1u < taps { part[to + 1u] = s.y; }
    if tap + 2u < taps { part[to + 2u] = s.z; }
    if tap + 3u < taps { part[to + 3u] = s.w; }
}

@compute @workgroup_size(64)
fn conv_backward_weight_broadcast(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let number = flat_index(group, groups, 1u, 0u);
    let biases = bias_groups(64u);
    if number < biases {
        bias_part(number * 64u + local, group.z);
        return;
    }
    let flat = (number - biases) * 64u + local;
    let taps = u.in_channels * u.kernel * u.kernel;
    // Whole subgroups per row tile: lanes past the last tap repeat it and store nothing.
    let tap_tiles = (taps + 31u) / 32u * 8u;
    let row_tiles = (u.out_channels + ROWS - 1u) / ROWS;
    let tap = (flat % tap_tiles) * 4u;
    let row = ((flat / tap_tiles) % row_tiles) * ROWS;
    let qy = flat / (tap_tiles * row_tiles);
    if qy >= u.out_height { return; }
    // This lane's rows; the second where ROWS is 16.
    let row_a = group.z * u.out_channels + min(row + lane, u.out_channels - 1u);
    let row_b = group.z * u.out_channels + min(row + 8u + lane, u.out_channels - 1u);
    let yat_a = (row_a * u.out_height + qy) * u.out_width * u.columns;
    let yat_b = (row_b * u.out_height + qy) * u.out_width * u.columns;
    let tap0 = tap_at(group.z, qy, tap);
    let tap1 = tap_at(group.z, qy, tap + 1u);
    let tap2 = tap_at(group.z, qy, tap + 2u);
    let tap3 = tap_at(group.z, qy, tap + 3u);
#repeat k 0 16
    var s{k} = start(qy, row + {k}u, tap, group.z);
#end
    for (var chunk = 0u; chunk < u.columns; chunk += CHUNK) {
        let end = min(chunk + CHUNK, u.columns);
        for (var qx = 0u; qx < u.out_width; qx++) {
#repeat k 0 4
            let used{k} = used(tap{k}, qx);
            let x{k}at = place(tap{k}, qx);
#end
            for (var b = chunk; b < end; b++) { // at most CHUNK
                let own_a = loaded(dy[yat_a + qx * u.columns + b]);
                let own_b = loaded(dy[yat_b + qx * u.columns + b]);
                // fma(dy, 0, s) = s: a tap outside the image adds nothing.
#repeat k 0 4
                var x{k} = vec4<f32>();
                if used{k} { x{k} = loaded(x[x{k}at + b]); }
#end
                let t0 = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
                let t1 = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
                let t2 = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
                let t3 = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
#repeat k 0 8
                s{k} = add_samples(s{k}, subgroupBroadcast(own_a, {k}u), t0, t1, t2, t3);
#end
                if ROWS == 16u {
#repeat k 8 16
                    s{k} = add_samples(s{k}, subgroupBroadcast(own_b, {k-8}u), t0, t1, t2, t3);
#end
                }
            }
        }
    }
#repeat k 0 8
    store(qy, row + {k}u, tap, group.z, s{k});
#end
    if ROWS == 16u {
#repeat k 8 16
        store(qy, row + {k}u, tap, group.z, s{k});
#end
    }
}
