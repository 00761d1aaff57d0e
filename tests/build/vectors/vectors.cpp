#include "build/vectors/vectors.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/text.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

namespace cooper::testing {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxVectors = 64U << 20;

std::string content_of(const Value& entry) {
    if (const auto repeat = entry.find("content_repeat"); repeat != entry.end()) {
        const std::string unit = from_base64(text_or(*repeat, "unit_base64")).value();
        const auto size = repeat->at("length").get<std::size_t>();
        std::string content;
        content.reserve(size + unit.size());
        while (content.size() < size) {
            content += unit;
        }
        content.resize(size);
        return content;
    }
    return from_base64(text_or(entry, "content_base64")).value();
}

std::vector<Value> cases_in(const fs::path& usual, const std::string& file) {
    const auto other = Environment::process().get("COOPER_VECTORS");
    const fs::path directory = other ? fs::path(*other) : usual;
    const auto text = find_file(directory / file, kMaxVectors);
    if (!text) {
        REQUIRE(other.has_value());
        WARN("no " << file << " in " << directory);
        return {};
    }
    const Value cases = Value::parse(*text).at("cases");
    REQUIRE(!cases.empty());
    return {cases.begin(), cases.end()};
}

}  // namespace

std::vector<Value> vectors(const std::string& file) {
    return cases_in(COOPER_GOLDEN "/tags", file);
}

std::vector<Value> dockerfile_vectors(const std::string& file) {
    return cases_in(COOPER_GOLDEN, "dockerfile/" + file);
}

std::optional<std::string> find_text(const Value& object, const char* key) {
    const auto at = object.find(key);
    return at == object.end() || !at->is_string() ? std::nullopt : std::optional(at->get<std::string>());
}

std::string text_or(const Value& object, const char* key, const std::string& fallback) {
    return find_text(object, key).value_or(fallback);
}

std::vector<std::string> texts(const Value& list) {
    return list.is_array() ? list.get<std::vector<std::string>>() : std::vector<std::string>();
}

Scratch::Scratch(const Value& tree) : directory_("vectors") {
    for (const Value& entry : tree) {
        add(entry);
    }
}

std::string Scratch::expand(std::string text) const {
    constexpr std::string_view kMark = "{SCRATCH}";
    for (std::size_t at = 0; (at = text.find(kMark, at)) != std::string::npos;) {
        text.replace(at, kMark.size(), path().native());
        at += path().native().size();
    }
    return text;
}

void Scratch::add(const Value& entry) {
    const auto raw = find_text(entry, "path_base64");
    const fs::path at = path() / (raw ? from_base64(*raw).value() : text_or(entry, "path"));
    const std::string type = text_or(entry, "type");
    INFO("making " << type << " " << at);
    fs::create_directories(at.parent_path());
    if (type == "dir") {
        fs::create_directories(at);
    } else if (type == "file") {
        write_file(at, content_of(entry));
    } else if (type == "symlink") {
        fs::create_symlink(expand(text_or(entry, "target")), at);
    } else if (type == "hardlink") {
        fs::create_hard_link(path() / text_or(entry, "target"), at);
    } else if (type == "fifo") {
        REQUIRE(mkfifo(at.c_str(), 0600) == 0);
    } else {
        FAIL("no such type of entry");
    }
    if (const auto mode = entry.find("mode"); mode != entry.end() && type != "symlink") {
        const auto bits =
            mode->is_string() ? std::stoul(mode->get<std::string>(), nullptr, 8) : mode->get<unsigned long>();
        REQUIRE(chmod(at.c_str(), static_cast<mode_t>(bits)) == 0);
    }
}

}  // namespace cooper::testing
