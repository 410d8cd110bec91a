//! The experiment file: what is accepted, how mistakes are reported, and what a plan shares.

mod controls;
mod datasets;
mod defaults;
mod errors;
mod layers;
mod overrides;
mod plans;
mod reference;
mod sense;
mod setup;
mod shipped;
mod steps;
mod sweeps;
mod synonyms;
mod verify;
