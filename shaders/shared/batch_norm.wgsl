// Shape of a batch normalisation within one replica: [channel][pixel][sample] (a flat input has one pixel). Twin: BatchNormShape in
// src/ops/batch_norm.rs.
struct BatchNormShape {
    channels: u32,
    pixels: u32,
    columns: u32,         // vec4s of samples
    lanes: u32,           // of a workgroup, that share a channel
    weight_offset: u32,   // of the weights, biases, running means and running variances in the flat parameters
    bias_offset: u32,
    mean_offset: u32,
    variance_offset: u32,
    param_stride: u32,    // floats per replica
    mode: u32,            // 0: evaluation, 1: training, 2: recalibration
    learns: u32,          // 1: gradients of weights and biases are wanted
    relu: u32,            // 1: Y goes through a ReLU
    momentum: f32,        // share of the batch in the running statistics, in training
    eps: f32,             // added to the variance
}

// v in the samples that are there, 0 in empty slots.
fn present(v: vec4<f32>, column: u32, count: u32) -> vec4<f32> {
    return select(vec4<f32>(), v, vec4<u32>(4u * column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}

// The column `step` vec4s after `column` in rows of u.columns, of which `step` is less than one.
fn later_column(column: u32, step: u32) -> u32 {
    let next = column + step;
    return select(next, next - u.columns, next >= u.columns);
}

// Where a lane of the workgroup stands. u.lanes of them own one channel. Eight neighbouring ones own a run of its vec4s, all runs but the
// last equally long and of a multiple of 8: whole cache lines for a GPU, and one after another for a processor.
struct Lane {
    channel: u32,
    owns: bool,  // lanes past the last channel work on it too, and write nothing
    first: bool, // of its channel
    begin: u32,  // its first vec4 in the buffers; then every eighth
    end: u32,    // of the run
    column: u32, // of the first vec4
}

fn lane_of(l: u32, number: u32, replica: u32) -> Lane {
    let wanted = (number * 256u + l) / u.lanes;
    let channel = min(wanted, u.channels - 1u);
    let lane = l % u.lanes;
    let all = u.pixels * u.columns;
    let runs = u.lanes / 8u;
    let length = ((all + runs - 1u) / runs + 7u) / 8u * 8u;
    let start = (replica * u.channels + channel) * all;
    let begin = lane / 8u * length + lane % 8u;
    return Lane(channel, wanted == channel, lane == 0u, start + begin, start + min((lane / 8u + 1u) * length, all), begin % u.columns);
}
