// Partial sums of a layer's gradients, added in order. Each replica has [parts][weights], then [parts][outputs] of biases.
fn bias_count() -> u32 {
    return select(u.outputs, 0u, u.bias_offset == 0xffffffffu);
}

fn part_start(replica: u32) -> u32 {
    return replica * u.parts * (u.weights + u.outputs);
}

// The parts from `first` on that are `stride` apart: from 0, ascending.
fn sum_of_parts(first: u32, stride: u32) -> f32 {
    var sum = 0.0;
    for (var p = 0u; p < u.parts; p++) { sum = sum + part[first + p * stride]; }
    return sum;
}

fn sum_bias(o: u32, replica: u32) {
    let first = part_start(replica) + u.parts * u.weights + o;
    grads[replica * u.param_stride + u.bias_offset + o] = sum_of_parts(first, u.outputs);
}
