// The little XML that S3 and STS speak: elements with text. Namespaces are ignored, attributes skipped, entities are
// the five named ones and characters by number; a document type is refused, so nothing expands.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::s3::xml {

struct Element {
    std::string name;  ///< without a namespace prefix
    std::string text;  ///< character data of this element alone, entities decoded
    std::vector<Element> children;

    /// The first child of that name; nullptr when there is none.
    [[nodiscard]] const Element* find(std::string_view child) const noexcept;
    /// The text of the first child of that name; empty when there is none.
    [[nodiscard]] std::string_view text_of(std::string_view child) const noexcept;
};

/// A page of 1,000 keys has about 10,000 elements of a few levels.
inline constexpr std::size_t kMaxDepth = 32;
inline constexpr std::size_t kMaxElements = 100'000;

/// The root; nullopt when `document` is empty, cut, not well-formed, or beyond the limits.
std::optional<Element> try_parse(std::string_view document);

/// `text` as character data.
std::string escape(std::string_view text);

}  // namespace cooper::s3::xml
