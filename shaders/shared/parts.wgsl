// Sums of many terms in parts of u.part of them, where that is less than all: each part's sum starts at 0, terms ascending, and the parts are
// added to the bias, ascending. Else one sum starts at the bias. See `DenseShape::part_for` in src/ops/linear.rs.
const IN_PARTS: u32 = 0u; // 1: u.part is less than u.inputs

fn part_count() -> u32 {
    if IN_PARTS == 0u { return 1u; }
    return (u.inputs + u.part - 1u) / u.part;
}

// What a part's sum starts at, and what the parts are added to.
fn part_start(bias: f32) -> vec4<f32> {
    return vec4<f32>(select(bias, 0.0, IN_PARTS == 1u));
}

// The sum of a part added to those before it.
fn with_part(all: vec4<f32>, part: vec4<f32>) -> vec4<f32> {
    return select(part, all + part, IN_PARTS == 1u);
}
