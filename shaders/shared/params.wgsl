// Grid of the kernels that walk all parameters of a replica, four per invocation. Twin: ParamsShape in src/train/state.rs.
struct ParamsShape {
    quads: u32,      // vec4s per replica
    mask_words: u32, // mask words per replica: quads / 8
    kept_stride: u32, // room for kept indices per replica, where they are listed
    flags: u32,     // where the flags of parameters start in an optimizer's `masks`, behind the masks or the list
}

// 1 where the weight exists, from the mask word that holds quad q (8 quads a word, lowest bits first).
fn kept_of(word: u32, q: u32) -> vec4<bool> {
    let bits = word >> ((q & 7u) * 4u);
    return (vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>();
}
