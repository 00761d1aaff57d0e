#include "delivery/explain/unified_diff.hpp"

#include "cooper/base/text.hpp"

#include "build/edit/alignment.hpp"

#include <algorithm>
#include <vector>

namespace cooper::delivery {

namespace {

constexpr std::size_t kContext = 3;
constexpr std::size_t kLongestLine = 200;

using Lines = std::vector<std::string_view>;

struct Line {
    char sign = ' ';
    std::string_view text;
    std::size_t a = 0;  ///< numbers from 1 that this line has, or would have
    std::size_t b = 0;
};

Lines lines_of(std::string_view text) {
    auto lines = split(text, '\n');
    if (lines.back().empty()) {
        lines.pop_back();
    }
    return lines;
}

/// What goes and what comes, in the order of diff: all that goes before all that comes.
std::vector<Line> edits(const Lines& a, const Lines& b) {
    std::vector<Line> result, coming;
    std::size_t next_a = 1, next_b = 1;
    const auto flush = [&] {
        for (auto& line : coming) {
            line.a = next_a;
            result.push_back(line);
        }
        coming.clear();
    };
    for (const auto& pair :
         build::align(a.size(), b.size(), [&](std::size_t i, std::size_t j) { return a[i] == b[j]; })) {
        if (pair.equal) {
            flush();
            result.push_back({' ', a[*pair.before], next_a++, next_b++});
            continue;
        }
        if (pair.before) {
            result.push_back({'-', a[*pair.before], next_a++, next_b});
        }
        if (pair.after) {
            coming.push_back({'+', b[*pair.after], 0, next_b++});
        }
    }
    flush();
    return result;
}

std::string hunk(const std::vector<Line>& lines, std::size_t begin, std::size_t end) {
    std::size_t in_a = 0, in_b = 0;
    std::string body;
    for (auto i = begin; i < end; ++i) {
        in_a += lines[i].sign == '+' ? 0U : 1U;
        in_b += lines[i].sign == '-' ? 0U : 1U;
        const auto& text = lines[i].text;
        body += lines[i].sign + std::string(text.substr(0, kLongestLine)) + (text.size() > kLongestLine ? "…\n" : "\n");
    }
    const auto range = [](std::size_t first, std::size_t count) {
        return std::to_string(count == 0 ? first - 1 : first) + "," + std::to_string(count);
    };
    return "@@ -" + range(lines[begin].a, in_a) + " +" + range(lines[begin].b, in_b) + " @@\n" + body;
}

}  // namespace

std::string unified_diff(std::string_view a, std::string_view b, std::size_t max_lines) {
    const auto lines = edits(lines_of(a), lines_of(b));
    const auto differs = [](const Line& line) { return line.sign != ' '; };
    std::string text;
    std::size_t shown = 0;
    for (auto from = lines.begin();;) {
        const auto change = std::find_if(from, lines.end(), differs);
        if (change == lines.end()) {
            break;
        }
        const auto begin = change - std::min<std::ptrdiff_t>(change - from, kContext);
        auto end = change;
        while (true) {  // on to where six equal lines end the hunk
            end = std::find_if_not(end, lines.end(), differs);
            const auto next = std::find_if(end, lines.end(), differs);
            if (next == lines.end() || next - end > static_cast<std::ptrdiff_t>(2 * kContext)) {
                end += std::min<std::ptrdiff_t>(lines.end() - end, kContext);
                break;
            }
            end = next;
        }
        const auto room = static_cast<std::ptrdiff_t>(max_lines - shown);
        const auto stop = begin + std::min(end - begin, room);
        text += hunk(lines, static_cast<std::size_t>(begin - lines.begin()),
                     static_cast<std::size_t>(stop - lines.begin()));
        shown += static_cast<std::size_t>(stop - begin);
        if (shown == max_lines && std::find_if(stop, lines.end(), differs) != lines.end()) {
            return text + "… " + std::to_string(std::count_if(stop, lines.end(), differs)) + " more lines differ\n";
        }
        from = end;
    }
    return text;
}

}  // namespace cooper::delivery
