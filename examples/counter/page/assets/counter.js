// The counter's only script. Without it every screen still works: the card
// then shows after a reload. It has no data of its own and stores nothing.
"use strict";
(() => {
	const byID = id => document.getElementById(id);
	const body = document.body;

	// The card in the reader, and what depends on it, as HTML from the server.
	const swap = (node, html) => {
		if (!node) return;
		const typing = node.contains(document.activeElement);
		node.innerHTML = html;
		const first = node.querySelector("[autofocus]");
		if (first && (typing || document.activeElement === body)) first.focus();
		ready(node);
	};
	if (body.dataset.events) {
		const lost = byID("lost");
		const events = new EventSource(body.dataset.events);
		events.addEventListener("card", e => {
			const [kind, ...html] = e.data.split("\n");
			byID("card").className = kind;
			swap(byID("card"), html.join("\n"));
		});
		events.addEventListener("live", e => swap(byID("live"), e.data));
		events.addEventListener("over", () => { events.close(); location.reload(); });
		events.onopen = () => { lost.hidden = true; };
		events.onerror = () => { lost.hidden = false; };
		addEventListener("pagehide", () => events.close());
	}
	// What the last step came to is read out: a notice that a page comes with is not.
	const notice = byID("notice");
	if (notice) requestAnimationFrame(() => { byID("say").textContent = notice.textContent; });

	// A page that comes back by the browser's Back button is out of date.
	addEventListener("pageshow", e => { if (e.persisted) location.reload(); });

	// A QR reader types a code and Enter in a moment. Where a button has the focus,
	// that Enter is not a finger's and must not press it.
	let burst = -1000; // when a character was typed
	const scanned = e => e.submitter?.dataset.hold !== undefined && e.submitter === document.activeElement && performance.now() - burst < 500;

	// A form goes off once, however often Enter is pressed.
	document.addEventListener("submit", e => {
		if (scanned(e)) { e.preventDefault(); const hold = byID("hold"); if (hold) hold.hidden = false; return; }
		if (e.target.dataset.sent) { e.preventDefault(); return; }
		e.target.dataset.sent = "yes";
		setTimeout(() => e.target.querySelectorAll("button").forEach(b => { b.disabled = true; }));
	});

	// What was typed before is there to be corrected, or to be typed or scanned over.
	const select = field => {
		if (field.matches("input[value]:not([value=''])") && field.value === field.defaultValue) field.select();
	};
	document.addEventListener("focusin", e => select(e.target));
	select(document.activeElement);

	// Keys choose from the menu, Escape goes back to it. A hand types one key; what
	// a scanner types in one stroke chooses nothing.
	let chosen = 0;
	document.addEventListener("keydown", e => {
		clearTimeout(chosen);
		if (e.key.length === 1 && e.key !== " ") burst = performance.now(); // a blank presses buttons
		if (e.ctrlKey || e.altKey || e.metaKey || e.isComposing) return;
		if (e.key === "Escape") { byID("home")?.click(); return; }
		if (/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
		const choice = document.querySelector(`[data-key="${CSS.escape(e.key.toUpperCase())}"]`);
		if (choice && !e.repeat) chosen = setTimeout(() => choice.click(), 100);
	});

	// The camera, where the browser reads QR codes by itself.
	const look = async () => {
		const video = byID("video"), button = byID("camera");
		let detector, stream;
		try {
			if (!(await BarcodeDetector.getSupportedFormats()).includes("qr_code")) throw "no QR codes";
			detector = new BarcodeDetector({ formats: ["qr_code"] });
			stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
		} catch {
			byID("no-camera").hidden = false;
			byID("code").focus();
			return;
		}
		const stop = () => { stream.getTracks().forEach(t => t.stop()); video.srcObject = null; video.hidden = true; button.hidden = false; };
		video.srcObject = stream;
		video.hidden = false;
		button.hidden = true;
		await video.play();
		addEventListener("pagehide", stop, { once: true });
		while (video.srcObject) {
			const [code] = await detector.detect(video).catch(() => []);
			if (code) {
				stop();
				byID("code").value = code.rawValue;
				byID("code").form.requestSubmit();
				return;
			}
			await new Promise(done => setTimeout(done, 120));
		}
	};
	const ready = node => {
		const camera = node.querySelector("#camera");
		if (camera && "BarcodeDetector" in window && navigator.mediaDevices) {
			camera.hidden = false;
			byID("no-camera").hidden = true;
			camera.addEventListener("click", look);
		}
		node.querySelectorAll("[data-print]").forEach(b => {
			b.hidden = false;
			b.addEventListener("click", () => print());
			if (b.autofocus) b.focus();
		});
	};
	ready(document);
})();
