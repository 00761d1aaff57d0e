// Two documents from outside are compared: a document equals itself however it is spelt, every pointer of a change
// leads to what the change says, and indexes survive being taken apart and put together.
#include "cooper/build/diff.hpp"

#include "base/json.hpp"
#include "build/edit/index_text.hpp"
#include "fuzz/fuzz.hpp"

#include <nlohmann/json.hpp>

namespace {

using cooper::build::ValueChange;
using cooper::fuzz::check;

void compare(const std::string& before, const std::string& after) {
    const auto same = cooper::build::diff_json(before, before, "fuzz");
    check(same.empty(), "a document is the same as itself");
    const auto parsed = cooper::json::parse(before, "fuzz");
    const auto other = cooper::json::parse(after, "fuzz");
    for (const ValueChange& change : cooper::build::diff_json(before, after, "fuzz")) {
        const cooper::json::Value::json_pointer pointer(change.pointer);
        check(change.before || change.after, "a change has a side");
        if (change.after) {
            check(other.at(pointer) == cooper::json::parse(*change.after, "fuzz"), "the pointer leads to the value");
        } else {
            check(parsed.at(pointer) == cooper::json::parse(*change.before, "fuzz"), "the pointer leads to the value");
        }
    }
}

void take_apart(const std::string& text) {
    const auto index = cooper::oci::classify_manifest(text, "");
    if (index.kind == cooper::oci::ManifestKind::Index) {
        cooper::build::IndexText edited(index.raw);
        check(edited.finish().raw.bytes == text, "what is not edited stays");
        edited.set_annotation("key", "value");
        check(edited.finish().raw.bytes != text || text.find("\"key\"") != std::string::npos, "the annotation is set");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(cooper::fuzz::text_of(data, size));
    const auto half = text.find('\n');
    cooper::fuzz::expect_only_errors([&] { take_apart(text); });
    if (half != std::string::npos) {
        cooper::fuzz::expect_only_errors([&] { compare(text.substr(0, half), text.substr(half + 1)); });
    }
    return 0;
}
