//! The properties of the fuzz targets `handle` and `foreign`, on any toolchain.

use metalev_engine::fuzzing::{foreign, handle};
use proptest::prelude::*;

proptest! {
    #[test]
    fn whatever_an_engine_is_fed_it_neither_panics_nor_breaks_its_word(data in prop::collection::vec(any::<u8>(), 0..1500)) {
        handle(&data);
    }

    #[test]
    fn whatever_others_say_no_end_is_told_without_a_beginning_and_nothing_is_clean_that_somebody_has(
        data in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        foreign(&data);
    }
}

#[test]
fn the_frames_that_were_fed_are_counted() {
    // A frame of no bytes by the first interface, twice.
    assert_eq!(handle(&[3, 0, 1, 3, 0, 1]), 2);
}
