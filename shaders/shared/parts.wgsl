// Sums of many terms in parts of u.part of them, where that is less than all: each part's sum starts at 0, terms ascending, and the parts are
// added to the bias, ascending. Else one sum starts at the bias. See `DenseShape::part_for` in src/ops/linear.rs.
fn in_parts() -> bool {
    return u.part < u.inputs;
}

// What a part's sum starts at, and what the parts are added to.
fn part_start(bias: f32) -> vec4<f32> {
    return vec4<f32>(select(bias, 0.0, in_parts()));
}

// The sum of a part added to those before it.
fn with_part(all: vec4<f32>, part: vec4<f32>) -> vec4<f32> {
    return select(part, all + part, in_parts());
}
