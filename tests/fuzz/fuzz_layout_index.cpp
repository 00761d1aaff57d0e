// index.json of somebody's layout: a name on the first line, then the document. An entry is chosen, put in, taken out.
#include "cooper/oci/layout.hpp"

#include "fuzz/fuzz.hpp"
#include "oci/layout/entries.hpp"
#include "oci/layout/index_file.hpp"

#include <nlohmann/json.hpp>

using namespace cooper;

namespace {

void put_and_choose(json::Value document, const std::string& name) {
    const oci::RawManifest root{"{}", std::string(oci::media_type::kOciManifest), sha256("{}")};
    oci::check_entry_name(name);
    oci::put_entry(document, root, {name});
    const oci::Index index = oci::parse_index_json(json::write(document));
    fuzz::check(!oci::put_entry(document, root, {name}), "putting an entry again changes nothing");
    fuzz::check(std::any_of(index.manifests.begin(), index.manifests.end(),
                            [&](const oci::Descriptor& entry) {
                                return entry.digest == root.digest && oci::is_entry_called(entry, name);
                            }),
                "an entry that was put in is there");
    fuzz::expect_only_errors([&] {
        const oci::Descriptor& chosen = oci::choose_entry(index, name);
        fuzz::check(Digest::try_parse(name).has_value() || chosen.digest == root.digest,
                    "a name means what it was given to");
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    const std::size_t line = text.find('\n');
    if (line == std::string_view::npos) {
        return 0;
    }
    const std::string name(text.substr(0, line));
    const std::string document(text.substr(line + 1));
    fuzz::expect_only_errors([&] {
        const oci::Index index = oci::parse_index_json(document);
        fuzz::expect_only_errors([&] { static_cast<void>(oci::choose_entry(index, name)); });
        const json::Value value = json::parse(document, "index.json");
        fuzz::expect_only_errors([&] { put_and_choose(value, name); });
        fuzz::expect_only_errors([&] {
            json::Value changed = value;
            const bool removed = oci::remove_entry(changed, name);
            const std::size_t left = oci::parse_index_json(json::write(changed)).manifests.size();
            fuzz::check(removed == (left < index.manifests.size()), "what was removed is gone");
        });
    });
    return 0;
}
