#include "transfer.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

std::string sources_of(const std::vector<oci::OpenedPlace>& from) {
    std::string text;
    for (const oci::OpenedPlace& each : from) {
        text += (text.empty() ? "" : ", ") + each.text;
    }
    return text;
}

}  // namespace

void TransferFlags::declare_platforms(CommandLine& line) {
    line.toggle("--all-platforms", "an index whole, with all that it lists; default: one platform of it",
                all_platforms);
    declare_platform(line, platform);
    line.parsed("--jobs", "N", "blobs under way at once; default: 4", write.connections,
                [](std::string_view text) { return parse_count(text, 1, 64); });
}

void TransferFlags::declare_archive(CommandLine& line) {
    line.heading("Archives and engines");
    declare_layers(line, write.layers);
    declare_format(line, write.format);
    line.toggle("--deep", "inflate the layers too and check their diff IDs", write.deep);
}

void TransferFlags::check() const {
    if (all_platforms && platform) {
        throw UsageError("--all-platforms and --platform exclude each other");
    }
}

Json transfer_json(const oci::PlaceName& to, const std::vector<oci::OpenedPlace>& from,
                   const oci::WrittenPlace& written) {
    return {{"from", sources_of(from)},
            {"to", to.text()},
            {"digest", written.manifest.text()},
            {"image_id", written.image_id ? Json(written.image_id->text()) : Json()},
            {"bytes_sent", written.bytes_sent},
            {"bytes_reused", written.bytes_reused},
            {"size", written.size == 0 ? Json() : Json(written.size)},
            {"sha256", written.sha256 ? Json(written.sha256->hex()) : Json()}};
}

std::string transfer_text(const oci::PlaceName& to, const oci::WrittenPlace& written) {
    return aligned({{"to", to.text()},
                    {"digest", written.manifest.text()},
                    {"image ID", written.image_id ? written.image_id->text() : ""},
                    {"size", written.size == 0 ? "" : size_text(written.size)},
                    {"sent", written.size == 0 ? size_text(written.bytes_sent) : ""},
                    {"reused", written.bytes_reused == 0 ? "" : size_text(written.bytes_reused)},
                    {"sha256", written.sha256 ? std::string(written.sha256->hex()) : ""}});
}

void report_transfer(const OutputFlags& output, const oci::PlaceName& to, const std::vector<oci::OpenedPlace>& from,
                     const oci::WrittenPlace& written) {
    if (to.is_stream()) {
        return;  // standard output is the archive
    }
    if (output.json) {
        print_json(transfer_json(to, from, written));
    } else {
        print(transfer_text(to, written));
    }
}

}  // namespace cooper::cli
