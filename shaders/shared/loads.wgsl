// Four samples as they lie in a buffer, and what they are: `x: array<Quad>`, `loaded(x[i])`. Two 64-bit integers on adapters that load
// number by number, see `in_pairs` in src/gpu/loads.rs.
alias Quad = vec4<f32>;
fn loaded(quad: Quad) -> vec4<f32> { return quad; }
