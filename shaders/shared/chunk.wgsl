// Gradients of weights and biases sum the samples in chunks of this many vec4s: all pixels of a part over the first chunk, then
// over the next. So a batch may come in several windows of whole chunks, each of which goes on where the one before stopped.
// Twin: CHUNK in src/ops/window.rs.
const CHUNK: u32 = 8u;
