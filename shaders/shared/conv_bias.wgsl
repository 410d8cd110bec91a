// Parts of the gradients of biases beside those of the weights: the first workgroups of a dispatch own them.
// part[r][qy][o] = sum over the output row qy and all b of dY[r][o][qy,qx][b].   One invocation owns one (qy, o).
// Sum: starts at 0 (ACCUMULATE: at what stands there), chunks of samples ascending, then qx, then b in the chunk, plain additions.

// How many workgroups of `size` invocations own parts of biases.
fn bias_groups(size: u32) -> u32 {
    return select((u.out_channels * u.out_height + size - 1u) / size, 0u, u.bias_offset == 0xffffffffu);
}

fn bias_part(i: u32, replica: u32) {
    let biases = u.out_channels * u.out_height;
    if i >= biases { return; }
    let line = (replica * u.out_channels + i % u.out_channels) * u.out_height + i / u.out_channels;
    let first = line * u.out_width * u.columns;
    let to = replica * part_stride() + biases * u.in_channels * u.kernel * u.kernel + i;
    var sum = 0.0;
    if ACCUMULATE == 1u { sum = part[to]; }
    for (var chunk = 0u; chunk < u.columns; chunk += CHUNK) {
        let end = min(chunk + CHUNK, u.columns);
        for (var qx = 0u; qx < u.out_width; qx++) {
            for (var b = chunk; b < end; b++) { // at most CHUNK
                let v = loaded(dy[first + qx * u.columns + b]);
                sum = sum + v.x;
                sum = sum + v.y;
                sum = sum + v.z;
                sum = sum + v.w;
            }
        }
    }
    part[to] = sum;
}
