// How far a kernel that walks all activations of a replica goes. Twin: Span in src/ops/relu.rs.
struct Span {
    count: u32, // vec4s per replica
}
