// SPDX-License-Identifier: GPL-2.0

//! The attributes of the kernel crate, for sources that are checked on the host.
//!
//! Nothing is pinned there for the sake of the compiler, so little is left of them.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Tests that run in a kernel: nothing.
#[proc_macro_attribute]
pub fn kunit_tests(_name: TokenStream, _tests: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// A type with pinned fields: the type, and a `Drop` that calls its `PinnedDrop` if it says so. It has no
/// parameters then.
#[proc_macro_attribute]
pub fn pin_data(drops: TokenStream, item: TokenStream) -> TokenStream {
    let mut all = without_pin(item.clone());
    if !drops.is_empty() {
        let mut words = item
            .into_iter()
            .skip_while(|token| token.to_string() != "struct");
        let name = words
            .nth(1)
            .map_or_else(String::new, |name| name.to_string());
        let drop = format!(
            "impl Drop for {name} {{ fn drop(&mut self) {{
                // SAFETY: It is dropped where it is.
                PinnedDrop::drop(unsafe {{ Pin::new_unchecked(self) }});
            }} }}"
        );
        all.extend(drop.parse::<TokenStream>());
    }
    all
}

/// What is called by [`macro@pin_data`].
#[proc_macro_attribute]
pub fn pinned_drop(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// The tokens but for each `#[pin]`.
fn without_pin(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if is_pin(&group) => drop(kept.pop()),
            TokenTree::Group(group) => {
                let inner = without_pin(group.stream());
                kept.push(Group::new(group.delimiter(), inner).into());
            }
            other => kept.push(other),
        }
    }
    kept.into_iter().collect()
}

fn is_pin(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket && group.stream().to_string() == "pin"
}
