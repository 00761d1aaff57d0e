#include "delivery/explain/contents.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/workers.hpp"
#include "build/layer/layer_stream.hpp"
#include "delivery/explain/content_kinds.hpp"
#include "delivery/explain/packages.hpp"

#include <algorithm>
#include <map>

namespace cooper::delivery {

namespace {

constexpr std::size_t kHead = 512 * 1024;               // of each file that differs
constexpr std::size_t kMaxCaptured = 64 * 1024 * 1024;  // of all files of a layer, on each side
constexpr std::size_t kMaxDiffLines = 60;               // of one file

struct Wanted {
    std::size_t number = 0;  ///< of the changed file
    std::size_t head = 0;
    std::uint64_t block_offset = 0;  ///< 0: the head is enough
    std::string path;
};

std::size_t head_limit(std::string_view path) {
    return is_package_database(path) ? kMaxPackageDatabase : kHead;
}

/// Reads the files that are wanted from one layer.
class Capture {
public:
    Capture(Side side, const LayerSide& layer, std::string where, const ReportFiles& report)
        : side_(side), layer_(layer), where_(std::move(where)), report_(report) {}

    void want(std::size_t position, Wanted wanted) { wanted_.emplace(position, std::move(wanted)); }

    void read(std::vector<Captured>& into, const Run& run) const {
        build::LayerStream stream(layer_.image, layer_.index, run);
        RawTarReader tar(stream);
        std::size_t position = 0;
        auto next = wanted_.begin();
        while (next != wanted_.end() && tar.next()) {
            run.check();
            if (position++ == next->first) {
                into[next->second.number] = read_file(tar, next->second, layer_.listed.entries[next->first].header);
                ++next;
            }
        }
    }

private:
    [[nodiscard]] Captured read_file(RawTarReader& tar, const Wanted& wanted, const RawEntry& header) const {
        Captured captured;
        captured.size = header.size;
        captured.whole = header.size <= wanted.head;
        captured.block_offset = wanted.block_offset;
        const auto file = report_.open(side_, where_, wanted.path);
        std::string buffer(kContentBlock, '\0');
        std::uint64_t offset = 0;
        const auto block_end = wanted.block_offset == 0 ? 0 : wanted.block_offset + kContentBlock;
        const auto needed = file ? UINT64_MAX : std::max<std::uint64_t>(wanted.head, block_end);
        while (offset < needed) {
            const auto count = tar.read(std::as_writable_bytes(std::span(buffer)));
            if (count == 0) {
                break;
            }
            const std::string_view chunk(buffer.data(), count);
            captured.head += chunk.substr(0, std::min(count, wanted.head - captured.head.size()));
            keep_block(captured, chunk, offset);
            if (file) {
                file->write(as_bytes(chunk));
            }
            offset += count;
        }
        if (file) {
            file->finish();
        }
        return captured;
    }

    static void keep_block(Captured& captured, std::string_view chunk, std::uint64_t offset) {
        const auto begin = captured.block_offset, end = begin + kContentBlock;
        if (begin == 0 || offset + chunk.size() <= begin || offset >= end) {
            return;
        }
        const auto from = offset < begin ? begin - offset : 0;
        captured.block += chunk.substr(from, std::min<std::uint64_t>(chunk.size(), end - offset) - from);
    }

    Side side_;
    const LayerSide& layer_;
    std::string where_;
    const ReportFiles& report_;
    std::map<std::size_t, Wanted> wanted_;  // by position in the tar
};

bool only_first_block_differs(const ListedEntry& a, const ListedEntry& b) {
    return a.blocks.size() == b.blocks.size() && a.blocks.size() > 1 &&
           std::equal(a.blocks.begin() + 1, a.blocks.end(), b.blocks.begin() + 1);
}

std::string digest_text(const ListedEntry& entry) {
    return "sha256:" + to_hex(entry.digest);
}

void tell_packages(const std::string& where, const std::string& path, const Captured& a, const Captured& b,
                   Findings& findings) {
    for (auto& moved : moved_packages(a.head, b.head)) {
        Difference difference;
        difference.level = ExplainLevel::Content;
        difference.where = where;
        difference.path = path;
        difference.field = "package";
        difference.a = moved.a ? std::optional(moved.name + " " + *moved.a) : std::nullopt;
        difference.b = moved.b ? std::optional(moved.name + " " + *moved.b) : std::nullopt;
        findings.add(std::move(difference));
    }
}

}  // namespace

void explain_contents(const LayerSide& a, const LayerSide& b, const std::vector<ChangedFile>& changed,
                      const std::string& where, Findings& findings, const ReportFiles& report, const Run& run) {
    Capture from_a(Side::A, a, where, report), from_b(Side::B, b, where, report);
    const auto looked_into = std::min(changed.size(), findings.options().max_differences);
    std::size_t captured = 0, count = 0;
    for (; count < looked_into && captured < kMaxCaptured; ++count) {
        const auto& file = changed[count];
        const auto limit = head_limit(file.path);
        const auto block = static_cast<std::uint64_t>(file.first_block) * kContentBlock;
        const Wanted wanted{count, limit, block < limit ? 0 : block, file.path};
        from_a.want(file.a, wanted);
        from_b.want(file.b, wanted);
        const auto larger = std::max(a.listed.entries[file.a].header.size, b.listed.entries[file.b].header.size);
        captured += static_cast<std::size_t>(std::min<std::uint64_t>(larger, limit + kContentBlock));
    }
    std::vector<Captured> as(count), bs(count);
    Workers workers(run);
    workers.start([&, inner = workers.run()] { from_a.read(as, inner); });
    workers.start([&, inner = workers.run()] { from_b.read(bs, inner); });
    workers.join();
    for (std::size_t i = 0; i < changed.size(); ++i) {
        const auto &x = a.listed.entries[changed[i].a], &y = b.listed.entries[changed[i].b];
        Difference difference;
        difference.level = ExplainLevel::Content;
        difference.where = where;
        difference.path = changed[i].path;
        difference.field = "content";
        difference.a = digest_text(x);
        difference.b = digest_text(y);
        if (i < count) {
            const ContentPair pair{changed[i].path, as[i], bs[i], only_first_block_differs(x, y)};
            auto [kind, detail] = describe_content(pair, kMaxDiffLines);
            difference.kind = std::move(kind);
            difference.detail = std::move(detail);
            if (is_package_database(changed[i].path)) {
                tell_packages(where, changed[i].path, as[i], bs[i], findings);
            }
        }
        findings.add(std::move(difference));
    }
}

}  // namespace cooper::delivery
