// Project files: only Error leaves the parser, each message is a printable line that names a line of the file, what is
// accepted can be used, and JSON means what it means to the strict parser of the other documents.
#include "cooper/build/project.hpp"

#include "base/json.hpp"
#include "build/project/commented_json.hpp"
#include "fuzz/fuzz.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <string>

namespace {

namespace build = cooper::build;
namespace fuzz = cooper::fuzz;
namespace json = cooper::json;
using build::CommentedList;
using build::CommentedObject;
using build::CommentedValue;
using cooper::Error;
using fuzz::check;

void check_message(const std::string& message, std::string_view text) {
    check(std::none_of(message.begin(), message.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
          "a message is one printable line");
    check(message.starts_with("f:"), "a message begins with the file");
    const auto line = std::strtoul(message.c_str() + 2, nullptr, 10);
    const auto lines = static_cast<unsigned long>(std::count(text.begin(), text.end(), '\n')) + 1;
    check(line >= 1 && line <= lines, "a message names a line of the file");
}

bool same(const CommentedValue& ours, const json::Value& theirs) {
    if (const auto* const object = std::get_if<CommentedObject>(&ours.data)) {
        const auto equal = [&](const build::CommentedMember& member) {
            const auto* const other = json::find_member(theirs, member.key);
            return other != nullptr && same(member.value, *other);
        };
        return theirs.is_object() && theirs.size() == object->size() &&
               std::all_of(object->begin(), object->end(), equal);
    }
    if (const auto* const list = std::get_if<CommentedList>(&ours.data)) {
        return theirs.is_array() && theirs.size() == list->size() &&
               std::equal(list->begin(), list->end(), theirs.begin(), same);
    }
    if (const auto* const text = std::get_if<std::string>(&ours.data)) {
        return theirs == *text;
    }
    if (const auto* const whole = std::get_if<std::int64_t>(&ours.data)) {
        return theirs.is_number() && theirs == *whole;
    }
    if (const auto* const real = std::get_if<double>(&ours.data)) {
        return theirs.is_number_float() && theirs == *real;
    }
    if (const auto* const flag = std::get_if<bool>(&ours.data)) {
        return theirs.is_boolean() && theirs == *flag;
    }
    return theirs.is_null();
}

/// What the strict parser takes and project files do not: numbers that would change, NUL, documents beyond the limits.
bool is_known_difference(std::string_view message) {
    constexpr std::array<std::string_view, 4> kKnown = {"does not fit 64 bits", "is too large or too small",
                                                        "is no character", "more than"};
    return std::any_of(kKnown.begin(), kKnown.end(),
                       [&](std::string_view known) { return message.find(known) != std::string_view::npos; });
}

void compare_parsers(std::string_view text) {
    std::optional<json::Value> theirs;
    fuzz::expect_only_errors([&] { theirs = json::parse(text, "strict"); });
    try {
        const CommentedValue ours = build::parse_commented_json(text, "f");
        check(!theirs || same(ours, *theirs), "JSON has one meaning");
    } catch (const Error& error) {
        check_message(error.what(), text);
        check(!theirs || is_known_difference(error.what()), "JSON is accepted");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    compare_parsers(text);
    std::optional<build::Project> project;
    try {
        project = build::parse_project(text, "f");
    } catch (const Error& error) {
        check_message(error.what(), text);
    }
    if (project) {
        try {
            for (const build::ImageSettings& image : project->images) {
                build::check_settings(project->image(image.name));
            }
        } catch (const Error& error) {
            check(false, error.what());
        }
    }
    return 0;
}
