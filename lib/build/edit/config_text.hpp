// Editing a config as text: what is not edited keeps every byte (private).
#pragma once

#include "cooper/build/edit.hpp"

#include "build/edit/json_text.hpp"

#include <string>
#include <string_view>

namespace cooper::build {

/// Applies `edit` to the member `config` of a config document. Returns what was changed in words for the history
/// ("env PATH, user"): names only, values may be long or private; empty: nothing was.
std::string edit_container(ObjectText& document, const ConfigEdit& edit);

/// One more entry at the end of the document's history.
std::string history_entry(TimePoint created, std::string_view created_by, bool empty_layer);

/// Adds entries; a document with layers but no history stays without (`has_history` of the config before).
void add_history(ObjectText& document, const std::vector<std::string>& entries, const oci::Config& before);

void set_diff_ids(ObjectText& document, const std::vector<std::string>& diff_ids);

}  // namespace cooper::build
