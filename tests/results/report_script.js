// What a person would do with the page, and what is seen then.
const text = (query) => document.querySelector(query).textContent;
const slider = document.querySelector("#replay input"), play = document.querySelector("#replay button");
const map = document.querySelector("#replay canvas"), bars = document.querySelector("#timeline canvas");
const move = (value) => { slider.value = value; slider.dispatchEvent(new Event("input")); };
const found = { title: document.title, sections: [...document.querySelectorAll("h2")].map((e) => e.textContent) };
const start = [text(".clock"), map.toDataURL()];
found.subtitle = text("#subtitle");
found.keys = [...document.querySelectorAll("#replay .legend > span")].map((e) => e.textContent);
found.touching = [...document.querySelectorAll(".chart svg")].some((svg) => {
  const texts = [...svg.querySelectorAll("text")], name = texts.find((e) => e.hasAttribute("transform"));
  const right = name ? name.getBoundingClientRect().right : 0;
  return texts.some((e) => e.getAttribute("text-anchor") === "end" && e.getBoundingClientRect().left < right);
});
move(500);
found.moved = text(".clock") !== start[0] && map.toDataURL() !== start[1];
play.click();
// A busy machine may draw no frame for long.
for (let tries = 0; tries < 100 && Number(slider.value) <= 500; tries++) await wait(100);
play.click();
found.played = Number(slider.value);
move(1000);
found.end = [...document.querySelectorAll(".now div")].map((e) => e.textContent).find((e) => e.startsWith("accuracy"));
const curve = document.querySelector("#convergence .chart svg"), box = curve.getBoundingClientRect();
curve.dispatchEvent(new PointerEvent("pointermove", { clientX: box.right - 5, clientY: box.top + 50 }));
found.tip = text("#convergence .tip");
found.exact = DATA.curves[0].by.time.map((line) => line.y[line.y.length - 1]);
found.axes = [...document.querySelectorAll("#convergence [role=group] button")].map((tab) => {
  tab.click();
  return [...curve.querySelectorAll("text")].map((e) => e.textContent).at(-2);
});
const whole = bars.toDataURL();
document.querySelector("#timeline [aria-label='Zoom in']").click();
found.zoomed = bars.toDataURL() !== whole;
found.labels = text("#summary table");
found.costs = [...document.querySelectorAll("#summary table")].at(-1).textContent;
const choice = document.querySelector("#replay select[aria-label=Run]");
choice.selectedIndex = 1;
choice.dispatchEvent(new Event("change"));
found.answers = [...document.querySelectorAll("#generated-text dd")].map((e) => e.textContent);
found.second = document.querySelector("#timeline select").selectedIndex;
return found;
