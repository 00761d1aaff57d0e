// Text from outside made harmless for Markdown: it can neither begin a line, nor a heading, a field, a link or a tag.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// `text` without control, bidirectional and invisible characters; tabs become spaces, bytes that are not UTF-8 become
/// U+FFFD. Line ends are control characters too. At most `limit` characters: what is longer ends in "…".
std::string plain_line(std::string_view text, std::size_t limit);

/// The first line of `text` with everything escaped that Markdown could take for markup.
std::string escaped_line(std::string_view text, std::size_t limit);

/// The lines of `text`, each cleaned as plain_line does, HTML tags escaped, empty lines at both ends dropped. Other
/// markup stays: notes are written as Markdown.
std::vector<std::string> note_lines(std::string_view text);

/// `text` with every byte percent-encoded that could end a link target, a table cell or a line.
std::string safe_url(std::string_view text);
/// "[label](url)"; empty when `url` is not http(s).
std::string web_link(std::string_view label, std::string_view url);

/// Valid UTF-8: bytes that are not become U+FFFD.
std::string valid_utf8(std::string_view text);

}  // namespace cooper::delivery
