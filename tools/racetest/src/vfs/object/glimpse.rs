// SPDX-License-Identifier: GPL-2.0

//! Objects that are there, but that nobody may be holding any more.

pub(crate) struct Glimpse<'a, O>(&'a O);

impl<'a, O> From<&'a O> for Glimpse<'a, O> {
    fn from(object: &'a O) -> Self {
        Self(object)
    }
}

impl<'a, O> Glimpse<'a, O> {
    pub(crate) fn get(self) -> &'a O {
        self.0
    }
}
