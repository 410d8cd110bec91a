// Gradients of biases beside those of the weights: the first workgroups of a dispatch own them.
// db[r][o] = sum_b dY[r][o][b].   One invocation owns one output. Sum: starts at 0 (ACCUMULATE: at what stands there), vec4s ascending, each
// as ((x + y) + z) + w.

// How many workgroups of `size` invocations own biases.
fn bias_groups(size: u32) -> u32 {
    return select((u.outputs + size - 1u) / size, 0u, u.bias_offset == 0xffffffffu);
}

fn bias_gradient(o: u32, replica: u32) {
    if o >= u.outputs { return; }
    let first = (replica * u.outputs + o) * u.columns;
    let to = replica * u.param_stride + u.bias_offset + o;
    var sum = 0.0;
    if ACCUMULATE == 1u { sum = grads[to]; }
    for (var b = 0u; b < u.columns; b++) { sum = sum + across(loaded(dy[first + b])); }
    grads[to] = sum;
}
