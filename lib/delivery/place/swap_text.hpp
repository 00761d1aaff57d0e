// A small text that several publishers add to at once.
#pragma once

#include "cooper/delivery/place.hpp"

#include <functional>
#include <string>

namespace cooper::delivery {

struct TextChange {
    std::string what;    ///< "the changelog", for errors
    std::string advice;  ///< after a lost race; empty: that of LostRace
    /// The text that must lie there, from the one that does (null: none). The same text: there is nothing to add.
    std::function<std::string(const std::string* there)> merge;
};

/// Compare-and-swap until there is nothing to add. An answer that was lost is settled by the next look. True when the
/// text was changed. Throws LostRace, Error{Unavailable} when the store stays down.
bool swap_text(Place& place, const std::string& key, const TextChange& change, const Run& run);

/// For stores without conditional writes, where the last writer wins and looks after itself: writes until a look finds
/// nothing to add. What `merge` adds must lie elsewhere in the place before, so that nobody's part can be lost. True
/// when the text was changed. Throws LostRace.
bool settle_text(Place& place, const std::string& key, const TextChange& change, const Run& run);

}  // namespace cooper::delivery
