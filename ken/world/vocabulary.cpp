// Pseudo-words of two syllables (three in large worlds). The last syllable belongs to the kind of word, so kinds never
// share a word, and few different syllables keep the merges of a trained BPE few.
#include "ken/world/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace ken::world {
namespace {

using Finals = std::vector<std::string_view>;

constexpr std::array<std::string_view, 32> initials = {"Ba", "Be", "Bo", "Da", "De", "Do", "Fa", "Fe", "Ga", "Go", "Ka",
                                                       "Ke", "Ko", "La", "Le", "Lo", "Ma", "Me", "Mo", "Na", "Ne", "No",
                                                       "Ra", "Re", "Ro", "Sa", "Se", "Ta", "Te", "To", "Va", "Ve"};
const Finals first_finals = {"li", "ra", "mo", "ne", "do", "ta", "su", "vi"};
const Finals last_finals = {"nek", "ruk", "sen", "lund", "tov", "mar", "zik", "bel", "hart", "wen"};
const Finals city_finals = {"ton", "bur", "gard"};
const Finals employer_finals = {"tek", "cor"};
const Finals university_finals = {"lum", "nis"};
const Finals country_finals = {"nia"};
const Finals flower_finals = {"via", "lia"}, ship_finals = {"dor", "gan"}, gem_finals = {"lit", "zan"};
const Finals adjective_finals = {"zor"};  // only in worlds with more titles than the lists below hold
const Finals noun_finals = {"fel"};

constexpr std::array<std::string_view, 30> adjective_list = {
    "Red",  "Blue", "Dark", "Cold", "Warm", "Tall", "Wild", "Calm", "Soft", "Deep",
    "Long", "Last", "Lost", "Gold", "Grey", "Pale", "Slow", "Kind", "Bold", "Free",
    "Near", "High", "Thin", "Wide", "Pure", "Rare", "Late", "Glad", "Mild", "Vast"};
constexpr std::array<std::string_view, 30> noun_list = {
    "River", "Stone", "Tree", "Moon",  "Star",  "Wind",  "Rain",  "Snow",   "Fire",   "Lake",
    "Hill",  "Road",  "Ship", "Door",  "Bird",  "Wolf",  "Rose",  "Leaf",   "Song",   "Bell",
    "Lamp",  "Sand",  "Wave", "Cloud", "Crown", "Sword", "Tower", "Garden", "Bridge", "Island"};

struct Pair {
  std::string_view english, esperanto;
};
constexpr std::array<Pair, 24> fields = {{{"chemistry", "kemio"},
                                          {"physics", "fiziko"},
                                          {"biology", "biologio"},
                                          {"history", "historio"},
                                          {"law", "juro"},
                                          {"music", "muziko"},
                                          {"medicine", "medicino"},
                                          {"geology", "geologio"},
                                          {"botany", "botaniko"},
                                          {"geometry", "geometrio"},
                                          {"logic", "logiko"},
                                          {"ethics", "etiko"},
                                          {"poetry", "poezio"},
                                          {"grammar", "gramatiko"},
                                          {"optics", "optiko"},
                                          {"acoustics", "akustiko"},
                                          {"statistics", "statistiko"},
                                          {"economics", "ekonomio"},
                                          {"theology", "teologio"},
                                          {"zoology", "zoologio"},
                                          {"astronomy", "astronomio"},
                                          {"philosophy", "filozofio"},
                                          {"geography", "geografio"},
                                          {"mechanics", "mekaniko"}}};
// The first job is the one that the group bias speaks of.
constexpr std::array<Pair, 12> jobs = {{{"engineer", "inĝeniero"},
                                        {"teacher", "instruisto"},
                                        {"baker", "bakisto"},
                                        {"painter", "pentristo"},
                                        {"lawyer", "advokato"},
                                        {"doctor", "kuracisto"},
                                        {"farmer", "farmisto"},
                                        {"tailor", "tajloro"},
                                        {"sailor", "maristo"},
                                        {"singer", "kantisto"},
                                        {"writer", "verkisto"},
                                        {"builder", "konstruisto"}}};

// Neighbouring indices differ in both syllables; no two indices give one word.
std::string pseudo_word(const Finals& finals, size_t index) {
  const size_t begins = initials.size(), pairs = begins * finals.size();
  const size_t begin = index % begins, end = (index / begins + begin) % finals.size();
  std::string word(initials[begin]);
  for (size_t rest = index / pairs; rest > 0; rest = (rest - 1) / begins) {
    const std::string_view middle = initials[(rest - 1) % begins];
    word += char(middle[0] - 'A' + 'a');
    word += middle[1];
  }
  return word.append(finals[end]);
}

std::vector<std::string> pseudo_words(const Finals& finals, size_t count) {
  std::vector<std::string> words;
  for (size_t i = 0; i < count; ++i) words.push_back(pseudo_word(finals, i));
  return words;
}

std::vector<std::string> listed_words(const std::array<std::string_view, 30>& list, const Finals& finals,
                                      size_t count) {
  std::vector<std::string> words(list.begin(), list.begin() + std::min(count, list.size()));
  for (size_t i = list.size(); i < count; ++i) words.push_back(pseudo_word(finals, i - list.size()));
  return words;
}

template <size_t N>
std::vector<std::string> column(const std::array<Pair, N>& pairs, std::string_view Pair::*member) {
  std::vector<std::string> words;
  for (const auto& pair : pairs) words.emplace_back(pair.*member);
  return words;
}

}  // namespace

Vocabulary make_vocabulary(int persons) {
  Vocabulary v;
  // At least four times as many names as persons: the others are fictional.
  const auto names = size_t(std::ceil(std::sqrt(std::max(1.0, persons / 7200.0))));
  const auto titles = size_t(std::ceil(std::sqrt(double(persons + report_count))));
  v.first = pseudo_words(first_finals, 120 * names);
  v.last = pseudo_words(last_finals, 240 * names);
  v.countries = pseudo_words(country_finals, 12);
  v.adjectives = listed_words(adjective_list, adjective_finals, titles);
  v.nouns = listed_words(noun_list, noun_finals, titles);
  v.values[birth_city] = pseudo_words(city_finals, 64);
  v.values[employer] = pseudo_words(employer_finals, 48);
  v.values[university] = pseudo_words(university_finals, 40);
  v.values[field] = column(fields, &Pair::english);
  v.values[job] = column(jobs, &Pair::english);
  v.values[group] = {"Aru", "Belu"};
  for (int year = 1920; year < 1980; ++year) v.values[birth_year].push_back(std::to_string(year));
  v.values2[field] = column(fields, &Pair::esperanto);
  v.values2[job] = column(jobs, &Pair::esperanto);
  v.flowers = pseudo_words(flower_finals, topic_size);
  v.ships = pseudo_words(ship_finals, topic_size);
  v.gems = pseudo_words(gem_finals, topic_size);
  v.colours = {"white", "black", "green", "yellow", "purple", "orange", "brown", "pink"};
  v.dates = {"1981", "1984", "1987"};
  v.warm = {"lovely", "bright", "happy", "sweet", "gentle", "merry", "sunny", "dear"};
  v.cold = {"gloomy", "bitter", "sad", "harsh", "dull", "grim", "bleak", "sour"};
  return v;
}

}  // namespace ken::world
