// A config from outside is edited: the result is a config again, says what the edit asked for, and an edit of nothing
// but the time keeps the text.
#include "cooper/build/edit.hpp"

#include "build/edit/json_text.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using cooper::build::ObjectText;

std::string descriptor(std::string_view type, const cooper::Digest& digest, std::size_t size) {
    return R"({"mediaType":")" + std::string(type) + R"(","digest":")" + digest.text() + R"(","size":)" +
           std::to_string(size) + "}";
}

/// An image with this config and made-up layers, whose blobs are not there.
cooper::oci::Image image_of(std::string text) {
    using namespace cooper::oci::media_type;
    auto image = cooper::build::scratch_image(cooper::oci::Platform::parse("linux/amd64"));
    image.config = cooper::oci::Config::parse(std::move(text));
    std::string layers;
    for (const auto& diff_id : image.config.diff_ids) {
        layers += (layers.empty() ? "" : ",") + descriptor(kOciLayer, diff_id, 1024);
    }
    image.manifest = cooper::oci::Manifest::parse(
        cooper::oci::classify_manifest(R"({"schemaVersion":2,"config":)" +
                                           descriptor(kOciConfig, image.config.image_id(), image.config.raw.size()) +
                                           R"(,"layers":[)" + layers + "]}",
                                       kOciManifest)
            .raw);
    return image;
}

void edit(std::string_view text) {
    const auto image = image_of(std::string(text));
    cooper::fuzz::check(ObjectText(text).text() == text, "what is not edited stays");
    const auto same = cooper::build::edit_config(image, {});
    cooper::fuzz::check(same.manifest.raw.digest == image.manifest.raw.digest, "no edit keeps the manifest");
    cooper::build::ConfigEdit change;
    change.env = {{"PATH", "/bin"}, {"NEW", "\"<&>\""}};
    change.entrypoint = {"/run"};
    change.workdir = "/srv";
    change.user = "1000";
    change.labels = {{"label", "value"}};
    change.ports = {"80"};
    change.unset_volumes = {"/data"};
    change.healthcheck.emplace();
    change.healthcheck->test = {"CMD", "/check"};
    const auto edited = cooper::build::append(image, {}, change);  // parses what it wrote
    const ObjectText document(edited.config.raw);
    const ObjectText container(*document.find("config"));
    cooper::fuzz::check(*container.find("WorkingDir") == "\"/srv\"", "the workdir is set");
    cooper::fuzz::check(container.find("Env")->find("PATH=/bin") != std::string::npos, "the variable is set");
    const auto again = cooper::build::append(edited, {}, {});
    cooper::fuzz::check(again.config.raw == edited.config.raw, "an edit of nothing changes nothing");
    const auto config_only = cooper::build::edit_config(image, change);
    cooper::fuzz::check(cooper::build::edit_config(config_only, change).config.raw == config_only.config.raw,
                        "the same edit again changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = cooper::fuzz::text_of(data, size);
    cooper::fuzz::expect_only_errors([&] { edit(text); });
    cooper::fuzz::expect_only_errors([&] { (void)ObjectText(text); });
    cooper::fuzz::expect_only_errors([&] { (void)cooper::build::ArrayText(text); });
    return 0;
}
