// The specification at cooper_tags() once more, slow and on its own: the three tags from nothing but a record.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/tag_record.hpp"

#include <string>
#include <vector>

namespace cooper::testing {

class TagSpecification {
public:
    static std::vector<std::pair<std::string, std::string>> tags_of(const build::TagRecord& record) {
        const auto of = [&](build::TagLevel level) {
            std::string framed;
            for (const auto& input : record.inputs) {
                framed += input.level == level ? framed_input(input) : "";
            }
            return framed;
        };
        const auto versioned = hash("versioned", "", of(build::TagLevel::Versioned));
        const auto lock = hash("lock", versioned, of(build::TagLevel::Lock));
        const auto source = hash("source", lock, of(build::TagLevel::Source));
        const auto version = value_of(record, "version");
        const auto suffix = value_of(record, "suffix");
        return {{"source", version + "_" + digits(lock) + "_" + digits(source) + suffix},
                {"lock", version + "_" + digits(lock) + suffix},
                {"versioned", version + "_" + value_of(record, "base name") + "-" + digits(versioned) + suffix}};
    }

    /// Long division of the number by 36, twenty times.
    static std::string digits(const std::string& digest) {
        std::vector<unsigned> bits;
        for (const char byte : from_hex(digest.substr(std::string("sha256:").size())).value().substr(0, 13)) {
            for (int bit = 7; bit >= 0; --bit) {
                bits.push_back(static_cast<unsigned char>(byte) >> bit & 1U);
            }
        }
        bits.pop_back();  // 103 are left
        std::string text;
        for (int i = 0; i < 20; ++i) {
            unsigned rest = 0;
            for (auto& bit : bits) {
                rest = rest * 2 + bit;
                bit = rest / 36;
                rest %= 36;
            }
            text.insert(text.begin(), "0123456789abcdefghijklmnopqrstuvwxyz"[rest]);
        }
        return text;
    }

private:
    static std::string framed(std::uint64_t number) {
        std::string text;
        for (int shift = 56; shift >= 0; shift -= 8) {
            text += static_cast<char>(number >> shift & 0xFFU);
        }
        return text;
    }
    static std::string framed(const std::string& text) { return framed(std::uint64_t{text.size()}) + text; }

    static std::string framed_input(const build::RecordedInput& input) {
        if (input.kind == "base name" || input.kind == "suffix") {
            return "";
        }
        std::string kind = input.kind;
        std::string value = input.value;
        if (kind == "build argument" || kind == "extra dependency") {
            value = sha256(value).text();
        } else if (kind.starts_with("secret ")) {
            kind.erase(0, std::string("secret ").size());
        }
        return framed(kind) + framed(input.name) + framed(value) + framed(std::uint64_t{input.mode}) +
               framed(input.size);
    }

    static std::string hash(const std::string& level, const std::string& before, const std::string& inputs) {
        return sha256(framed(std::string("cooper.tags/v1")) + framed(level) + framed(before) + inputs).text();
    }

    static std::string value_of(const build::TagRecord& record, const std::string& kind) {
        for (const auto& input : record.inputs) {
            if (input.kind == kind) {
                return input.value;
            }
        }
        return "";
    }
};

}  // namespace cooper::testing
