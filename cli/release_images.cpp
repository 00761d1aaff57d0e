#include "release_images.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "output.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

constexpr std::size_t kMaxFile = 4U << 20;
constexpr std::size_t kMaxImages = 1000;

[[noreturn]] void refuse_file(const std::string& file, const std::string& why) {
    throw UsageError("--images: " + file + ": " + why, "one IMAGE[=NAME:TAG] a line, or what cooper matrix printed");
}

std::vector<std::string> images_of_text(std::string_view text) {
    std::vector<std::string> images;
    for (const std::string_view line : split(text, '\n')) {
        const std::string_view image = trim(line.substr(0, line.find('#')));
        if (!image.empty()) {
            images.emplace_back(image);
        }
    }
    return images;
}

/// A text, or an object whose "image" is one.
std::string image_of(const Json& element, const std::string& file) {
    if (element.is_string()) {
        return element.get<std::string>();
    }
    const auto text_member = [&](const char* name) {
        const auto found = element.is_object() ? element.find(name) : element.end();
        return found != element.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const std::string image = text_member("image");
    if (image.empty()) {
        refuse_file(file, "an element has no \"image\"");
    }
    const std::string name = text_member("name");
    return name.empty() ? image : image + "=" + name;
}

const Json& array_of(const Json& document, const std::string& file) {
    if (document.is_array()) {
        return document;
    }
    for (const char* member : {"images", "include"}) {
        if (document.contains(member) && document[member].is_array()) {
            return document[member];
        }
    }
    refuse_file(file, "neither an array, nor an object with \"images\" or \"include\"");
}

}  // namespace

std::vector<std::string> read_release_images(std::string_view text) {
    const std::string file(text.starts_with('@') ? text.substr(1) : text);
    const std::string content = read_file(file, kMaxFile);
    const std::string_view begin = trim(content);
    std::vector<std::string> images;
    if (begin.starts_with('[') || begin.starts_with('{')) {
        const Json document = Json::parse(content, nullptr, false);
        if (document.is_discarded()) {
            refuse_file(file, "is no valid JSON");
        }
        for (const Json& element : array_of(document, file)) {
            images.push_back(image_of(element, file));
        }
    } else {
        images = images_of_text(content);
    }
    if (images.empty() || images.size() > kMaxImages) {
        refuse_file(file, "has " + std::to_string(images.size()) + " images; 1 to " + std::to_string(kMaxImages) +
                              " can be released together");
    }
    return images;
}

}  // namespace cooper::cli
