#include "cooper/base/text.hpp"
#include "cooper/delivery/gate.hpp"

#include "delivery/changelog/markdown.hpp"

namespace cooper::delivery {

namespace {

constexpr std::size_t kMaxCell = 200;
constexpr std::size_t kMaxDetails = 20;  // lines of one gate

std::string took_text(const GateRow& row) {
    return row.took ? format_duration(std::chrono::ceil<std::chrono::seconds>(*row.took)) : "";
}

}  // namespace

std::string gate_summary(const std::vector<GateRow>& rows) {
    std::string text = "### Gates\n\n| Image | Gate | Verdict | Took |\n| --- | --- | --- | ---: |\n";
    for (const GateRow& row : rows) {
        for (const std::string& cell : {row.image, row.gate, row.verdict, took_text(row)}) {
            text += "| " + escaped_line(cell, kMaxCell) + " ";
        }
        text += "|\n";
    }
    for (const GateRow& row : rows) {
        if (row.detail.empty()) {
            continue;
        }
        text += "\n**" + escaped_line(row.image, kMaxCell) + ", " + escaped_line(row.gate, kMaxCell) + "**\n\n";
        std::size_t lines = 0;
        for (const std::string_view line : split(row.detail, '\n')) {
            if (++lines <= kMaxDetails && !trim(line).empty()) {
                text += "- " + escaped_line(line, kMaxCell) + "\n";
            }
        }
    }
    return text;
}

}  // namespace cooper::delivery
